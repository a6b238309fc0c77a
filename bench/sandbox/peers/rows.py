"""describe and population as pandas does them, on a CSV: see rows.go."""
import json
import sys
import time

try:
    import numpy as np
    import pandas as pd
except ImportError:
    sys.exit(3)

TYPES = ["system_agents", "independent_agents", "control_agents"]


def describe(t):
    columns = []
    numbers = t.describe()
    for name in t.columns:
        c = t[name]
        d = {"name": name, "count": int(c.count()), "nulls": int(c.isna().sum()), "distinct": int(c.nunique())}
        if name in numbers:
            n = numbers[name]
            d |= {ours: float(n[theirs]) for ours, theirs in {
                "mean": "mean", "std": "std", "min": "min", "max": "max",
                "q25": "25%", "median": "50%", "q75": "75%"}.items()}
        else:
            d["top"] = [{"value": v, "count": int(n)} for v, n in c.value_counts().head(5).items()]
        columns.append(d)
    return {"rows": len(t), "columns": columns}


def summary(x):
    q = np.percentile(x, [0, 25, 50, 75, 100])
    return {"mean": x.mean(), "std": x.std(ddof=0), "min": q[0], "q25": q[1], "median": q[2], "q75": q[3], "max": q[4]}


def statistics(t, total):
    return {
        "total": summary(total),
        "peak_step": total.idxmax(), "peak_value": total.max(), "final_value": total.iloc[-1],
        "trend": np.polyfit(np.arange(len(total)), total, 1)[0],
        "survival_rate": (total > 0).mean(),
    } | {name: summary(t[name]) for name in TYPES}


def births_and_deaths(t):
    b, d = t["births"].sum(), t["deaths"].sum()
    return {"total_births": b, "total_deaths": d, "birth_rate": b / len(t), "death_rate": d / len(t),
            "net_growth": b - d, "growth_rate": (b - d) / len(t)}


def stability(total, window=50):
    rolling = total.rolling(window)
    cv = (rolling.std() / rolling.mean())[window - 1:].fillna(0).mean()
    diffs = total.diff().fillna(0)
    relative = (diffs / total.shift()).abs().fillna(0)
    return {"mean_cv": cv, "stability_score": 1 / (1 + cv), "volatility": diffs.std(), "max_fluctuation": diffs.abs().max(),
            "mean_relative_change": relative.mean(), "max_relative_change": relative.max()}


def growth(t, total, window=20):
    rates = (total.pct_change() * 100).fillna(0)
    half = len(t) // 2
    steps, logs = t["step"][:half], np.log(total[:half] + 1)
    rate, intercept = np.polyfit(steps, logs, 1)
    smoothed = rates.rolling(window, min_periods=1).mean()
    kinds = pd.Series(np.select([smoothed > 1, smoothed < -1], [1, -1], 0))
    return {
        "average_growth_rate": rates.mean(), "growth_rate_std": rates.std(), "max_growth_rate": rates.max(),
        "min_growth_rate": rates.min(), "average_acceleration": rates.diff().fillna(0).mean(),
        "exponential_fit": {"rate": rate, "initial": np.exp(intercept),
                            "r_squared": 1 - ((logs - (rate * steps + intercept)) ** 2).sum() / ((logs - logs.mean()) ** 2).sum()},
        "doubling_time": np.log(2) / rate,
        "time_in_growth": (kinds == 1).sum(), "time_in_decline": (kinds == -1).sum(), "time_stable": (kinds == 0).sum(),
        "growth_phases": phases(t, kinds),
    }


def phases(t, kinds):
    starts = np.flatnonzero(np.r_[True, np.diff(kinds) != 0])
    ends = np.r_[starts[1:], len(kinds)]
    step = t["step"].to_numpy()
    names = {1: "growth", -1: "decline", 0: "stable"}
    return [{"phase": names[kinds[s]], "start_step": step[s], "end_step": step[min(e, len(kinds) - 1)], "duration": e - s}
            for s, e in zip(starts, ends)]


def demography(t, window=10):
    alive = t[TYPES]
    shares = alive.div(alive.sum(axis=1), axis=0).fillna(0)
    logs = np.log(shares.where(shares > 0, 1))
    diversity, dominance = -(shares * logs).sum(axis=1), (shares ** 2).sum(axis=1)
    means = shares.rolling(window).mean()
    distance = np.sqrt(((means.shift(-(window - 1)) - means.shift(1)) ** 2).sum(axis=1, skipna=False))
    return {
        "diversity_index": {"mean": diversity.mean(), "std": diversity.std(ddof=0), "min": diversity.min(), "max": diversity.max()},
        "dominance_index": {"mean": dominance.mean(), "std": dominance.std(ddof=0)},
        "type_proportions": shares.mean().to_dict(),
        "type_stability": (1 / (1 + alive.std() / alive.mean())).to_dict(),
        "num_significant_changes": (distance[:-window] > 0.1).sum(),
    }


def population(t):
    total = t["total_agents"]
    return {"population_statistics": statistics(t, total), "birth_death_rates": births_and_deaths(t),
            "population_stability": stability(total), "growth_rate_analysis": growth(t, total), "demographic_metrics": demography(t)}


def main(analysis, path):
    table = pd.read_csv(path, float_precision="round_trip")
    best = None
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        answer = {"describe": describe, "population": population}[analysis](table)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if best is None or wall < best[0]:
            best = wall, cpu
    json.dump({"wall": best[0], "cpu": best[1], "answer": answer}, sys.stdout, default=lambda v: v.item())


main(*sys.argv[1:])
