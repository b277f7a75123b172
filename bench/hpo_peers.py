"""Regret of Optuna's default sampler on the functions of bench/, one line each as bench/hpo prints them.

    hpo_peers.py [--trials 50,100] [--seeds 40] [--noise 0] [--functions a,b] [--sampler tpe|gp|random] path/to/bench/losses

The losses come from the same C code that strix' samplers are measured on. Under noise the regret is that of the trial
whose told loss is the lowest. A loss that is not a number is a failed trial.
"""
import argparse
import json
import math
import random
import statistics
import subprocess

import optuna


class Losses:
    def __init__(self, program):
        self.child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.functions = {}
        for line in iter(self.child.stdout.readline, "\n"):
            f = json.loads(line)
            self.functions[f["name"]] = f

    def __call__(self, name, x):
        self.child.stdin.write(" ".join([name] + [repr(v) for v in x]) + "\n")
        self.child.stdin.flush()
        return float(self.child.stdout.readline())


def value(trial, a):
    if a["options"]:
        return trial.suggest_categorical(a["name"], list(range(a["options"])))
    if a["whole"]:
        return trial.suggest_int(a["name"], int(a["low"]), int(a["high"]), log=bool(a["log"]))
    if a["step"]:
        return trial.suggest_float(a["name"], a["low"], a["high"], step=a["step"])
    return trial.suggest_float(a["name"], a["low"], a["high"], log=bool(a["log"]))


def point(trial, axes):
    x = []
    for a in axes:
        active = "parent" not in a or x[a["parent"]] in a["values"]
        x.append(float(value(trial, a)) if active else math.nan)
    return x


def sampler_of(word, seed):
    return {"tpe": optuna.samplers.TPESampler, "gp": optuna.samplers.GPSampler,
            "random": optuna.samplers.RandomSampler}[word](seed=seed)


def regrets(losses, f, args, seed):
    """The regret after each number of trials that was asked for."""
    rng = random.Random(seed)
    study = optuna.create_study(sampler=sampler_of(args.sampler, seed))
    best, told_best, out = math.inf, math.inf, []
    for i in range(max(args.trials)):
        trial = study.ask()
        loss = losses(f["name"], point(trial, f["axes"]))
        told = loss + args.noise * rng.gauss(0, 1)
        if math.isnan(loss):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, told)
            if told < told_best:
                told_best, best = told, loss - f["optimum"]
        if i + 1 in args.trials:
            out.append(best)
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("losses")
    p.add_argument("--trials", default="50,100", type=lambda s: sorted(int(n) for n in s.split(",")))
    p.add_argument("--seeds", default=40, type=int)
    p.add_argument("--noise", default=0, type=float)
    p.add_argument("--functions", default="")
    p.add_argument("--sampler", default="tpe")
    args = p.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    losses = Losses(args.losses)
    for name, f in losses.functions.items():
        if args.functions and name not in args.functions.split(","):
            continue
        rows = [regrets(losses, f, args, seed) for seed in range(args.seeds)]
        for k, n in enumerate(args.trials):
            v = sorted(r[k] for r in rows)
            print("%-8s %6d %12.5g [%.5g, %.5g]" % (name, n, statistics.median(v), v[len(v) // 4],
                                                    v[(3 * len(v) - 1) // 4]), flush=True)


if __name__ == "__main__":
    main()
