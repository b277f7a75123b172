"""Optuna on a study of strix: `peers.py load|work|dashboard STORAGE STUDY [...]`; what goes wrong is an exception."""
import collections
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import warnings

import optuna

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def load(storage, name, *states):
    """Touches all that users touch; `states`: those that must occur."""
    import optuna.visualization as vis

    study = optuna.load_study(storage=storage, study_name=name)
    trials = study.trials
    assert [t.number for t in trials] == list(range(len(trials))), "numbers are not 0..n-1"
    for t in trials:
        for key, dist in t.distributions.items():
            assert dist._contains(dist.to_internal_repr(t.params[key])), (t.number, key, t.params[key])
        assert t.datetime_complete is not None or not t.state.is_finished(), t.number
        assert t.state.name != "COMPLETE" or len(t.values) == len(study.directions), t.number
    found = collections.Counter(t.state.name for t in trials)
    print(name, dict(found), "best", study.best_value)
    assert not set(states) - set(found), f"no trial is {set(states) - set(found)}"
    assert optuna.importance.get_param_importances(study)
    for plot in (vis.plot_optimization_history, vis.plot_intermediate_values, vis.plot_parallel_coordinate, vis.plot_slice,
                 vis.plot_contour, vis.plot_param_importances, vis.plot_edf, vis.plot_rank, vis.plot_timeline):
        assert plot(study).to_json()
    assert len(study.trials_dataframe()) == len(trials)


def work(storage, name, n):
    """A TPE worker of Optuna: adds n trials to what is there."""
    study = optuna.load_study(storage=storage, study_name=name, sampler=optuna.samplers.TPESampler(n_startup_trials=2))

    def objective(trial):
        rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        units = trial.suggest_int("units", 4, 16, step=4)
        act = trial.suggest_categorical("act", ["relu", "tanh"])
        for step in range(1, 4):
            trial.report(1 / step + rate, step)
            time.sleep(0.02)
        return 0.3 + rate + units / 1000 + (act == "tanh") / 100

    study.optimize(objective, n_trials=int(n))


def dashboard(storage, name):
    """optuna-dashboard's interface to its page serves the study."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    served = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "optuna-dashboard"), storage, "--port", port],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)

        def get(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                return answer.read()

        listed = {s["study_name"]: s["study_id"] for s in json.loads(get("/api/studies"))["study_summaries"]}
        detail = json.loads(get(f"/api/studies/{listed[name]}?after=0"))
        study = optuna.load_study(storage=storage, study_name=name)
        assert len(detail["trials"]) == len(study.trials)
        assert any(t.get("intermediate_values") for t in detail["trials"])
        assert b"<html" in get("/dashboard").lower()
        assert json.loads(get(f"/api/studies/{listed[name]}/param_importances"))
        print("dashboard:", len(detail["trials"]), "trials")
    finally:
        served.terminate()
        served.wait()


if __name__ == "__main__":
    {"load": load, "work": work, "dashboard": dashboard}[sys.argv[1]](*sys.argv[2:])
