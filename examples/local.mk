templatedir = $(datadir)/strix/templates
dist_template_DATA = examples/vgg19.cfg
EXTRA_DIST += examples/convstrix.cfg examples/convstrix28.cfg examples/fcnn.cfg examples/vggstrix.cfg examples/fmnist128.cfg examples/auxiliary.cfg \
	examples/perblock.cfg examples/resnet20.cfg examples/slurm.sbatch examples/kubernetes.yaml examples/function.cfg examples/function.sh
EXTRA_DIST += examples/plugin-layer/leaky.c examples/plugin-layer/Makefile examples/plugin-layer/README.md
