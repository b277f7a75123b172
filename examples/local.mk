templatedir = $(datadir)/strix/templates
# What an experiment anywhere may extend
dist_template_DATA = examples/vgg19.cfg examples/fmnist128.cfg examples/convstrix.cfg examples/convstrix28.cfg \
	examples/vggstrix.cfg examples/fcnn.cfg examples/resnet20.cfg
EXTRA_DIST += examples/auxiliary.cfg examples/perblock.cfg examples/slurm.sbatch examples/kubernetes.yaml examples/function.cfg examples/function.sh
EXTRA_DIST += examples/plugin-layer/leaky.c examples/plugin-layer/Makefile examples/plugin-layer/README.md
