"""Verdicts of Optuna's MedianPruner and PercentilePruner on random studies -> ../data/median.json, percentile.json
(run with Optuna 5)."""
import json, random, warnings
import optuna
warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
from optuna.trial import create_trial, TrialState

def number(v):
    return "nan" if v != v else v

def one_case(rnd, percentile):
    set_ = dict(startup=rnd.choice([0, 1, 3, 5]), warmup=rnd.choice([0, 0, 2, 4]), interval=rnd.choice([1, 1, 2, 3]), min_trials=rnd.choice([1, 1, 3]))
    study = optuna.create_study()
    trials = []
    for i in range(rnd.randrange(0, 9)):
        n, every = rnd.randrange(0, 8), rnd.choice([1, 1, 2])
        steps = [every * k for k in range(n)]
        values = [float("nan") if rnd.random() < 0.15 else round(rnd.random(), 1) for _ in steps]
        state = rnd.choice(["complete"] * 4 + ["pruned", "fail"])
        trials.append(dict(state=state, steps=steps, values=[number(v) for v in values]))
        study.add_trial(create_trial(state={"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "fail": TrialState.FAIL}[state],
                                     value=0.5 if state == "complete" else None, intermediate_values=dict(zip(steps, values))))
    if percentile:
        set_["percentile"] = rnd.choice([0, 10.0, 25.0, 33.3, 75.0, 100])
        pruner = optuna.pruners.PercentilePruner(set_["percentile"], set_["startup"], set_["warmup"], set_["interval"], n_min_trials=set_["min_trials"])
    else:
        pruner = optuna.pruners.MedianPruner(set_["startup"], set_["warmup"], set_["interval"], n_min_trials=set_["min_trials"])
    every, verdicts, me = rnd.choice([1, 1, 2]), [], study.ask()
    steps = [every * k for k in range(7)]
    lost = rnd.random() < 0.15
    values = [float("nan") if lost or rnd.random() < 0.15 else round(rnd.random(), 1) for _ in steps]
    for s, v in zip(steps, values):
        me.report(v, s)
        verdicts.append(bool(pruner.prune(study, study._storage.get_trial(me._trial_id))))
    return dict(set_, trials=trials, steps=steps, values=[number(v) for v in values], stop=verdicts)

for name in "median", "percentile":
    rnd = random.Random(5)
    cases = [one_case(rnd, name == "percentile") for _ in range(60)]
    with open(f"../data/{name}.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    print(name, sum(sum(c["stop"]) for c in cases), "stops of", sum(len(c["stop"]) for c in cases))
