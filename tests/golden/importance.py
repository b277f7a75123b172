"""Makes importance.h: synthetic studies and what Optuna's importance evaluators say of them.

Run: python importance.py   (optuna, numpy, scikit-learn)
"""
import math
import warnings

import optuna
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
F, I, C = (optuna.distributions.FloatDistribution, optuna.distributions.IntDistribution,
           optuna.distributions.CategoricalDistribution)


def numeric(t):
    return t.suggest_float("big", -5, 5) ** 2 * 10 + t.suggest_float("small", -5, 5) ** 2 + 0 * t.suggest_float("none", 0, 1)


def mixed(t):
    lr = t.suggest_float("lr", 1e-5, 1.0, log=True)
    units, batch = t.suggest_int("units", 16, 512, log=True), t.suggest_int("batch", 16, 128, step=16)
    act, drop = t.suggest_categorical("act", ["relu", "tanh", "selu"]), t.suggest_float("drop", 0.0, 0.5, step=0.05)
    return (abs(math.log10(lr) + 3) + 0.3 * (act != "relu") + 0.1 * abs(math.log2(units) - 7) + 0.2 * abs(drop - 0.3)
            + 0.0005 * batch)


def conditional(t):
    kind = t.suggest_categorical("kind", ["a", "b"])
    base = t.suggest_float("base", 0, 1)
    if kind == "a":
        return base + 2 * t.suggest_float("of_a", 0, 1)
    return base + 1 + 0.2 * t.suggest_int("of_b", 1, 8)


def case(name, objective, n, seed, direction):
    study = optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(seed=seed))
    sign = 1 if direction == "minimize" else -1
    study.optimize(lambda t: sign * objective(t), n_trials=n)
    dist = {}
    for t in study.trials:
        dist.update(t.distributions)
    names = sorted(dist)
    ped = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    fan = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=1, n_trees=256))
    out = ["static const sx_axis %s_axis[] = {" % name]
    for k in names:
        d = dist[k]
        if isinstance(d, C):
            out.append('    { .name = "%s", .kind = SX_AXIS_CHOICE, .high = %d },' % (k, len(d.choices) - 1))
        else:
            out.append('    { .name = "%s", .log = %d, .low = %r, .high = %r, .step = %r, .whole = %d },' % (
                k, d.log, d.low, d.high, (d.step or 0) if not (isinstance(d, I) and d.log) else 0, isinstance(d, I)))
    out += ["};", "static const double %s_trial[][%d] = {            /* x, then y, minimised */" % (name, len(names) + 1)]
    for t in study.trials:
        row = [repr(float(dist[k].to_internal_repr(t.params[k]))) if k in t.params else "NAN" for k in names]
        out.append("    { " + ", ".join(row + [repr(sign * t.value)]) + " },")
    out.append("};")
    out.append("static const double %s_ped[] = { %s };" % (name, ", ".join(repr(float(ped[k])) for k in names)))
    out.append("static const double %s_fanova[] = { %s };" % (name, ", ".join(repr(float(fan[k])) if k in fan else "NAN" for k in names)))
    return out


lines = ["/* importance.h: made by importance.py with Optuna %s: studies, PED-ANOVA's and fANOVA's importances of their axes. */"
         % optuna.__version__]
lines += case("numeric", numeric, 60, 3, "minimize")
lines += case("mixed", mixed, 100, 4, "maximize")
lines += case("conditional", conditional, 80, 5, "minimize")
open("importance.h", "w").write("\n".join(lines) + "\n")
