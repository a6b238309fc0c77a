"""Writes expected_describe.json: what pandas says of the sample files.

    python3 expected_describe.py SAMPLES FLIGHTS_CSV > expected_describe.json

SAMPLES is the folder samples/. FLIGHTS_CSV is samples/flights-200k.arrow as CSV,
because pandas alone reads no Arrow:

    thresher datasets put flights samples/flights-200k.arrow
    curl -H 'Accept: text/csv' localhost:5000/api/v1/datasets/flights/tables/data > flights.csv
"""

import json
import math
import sys

import pandas as pd

samples, flights = sys.argv[1], sys.argv[2]


def read(name):
    if name.endswith(".arrow"):
        return pd.read_csv(flights)
    if name.endswith(".json"):
        return pd.read_json(f"{samples}/{name}", convert_dates=False)
    return pd.read_csv(f"{samples}/{name}")


def column(series):
    out = {"count": int(series.count()), "nulls": int(series.isna().sum()), "distinct": int(series.nunique())}
    if pd.api.types.is_numeric_dtype(series):
        d = series.describe()
        names = {"mean": "mean", "std": "std", "min": "min", "25%": "q25", "50%": "median", "75%": "q75", "max": "max"}
        for theirs, ours in names.items():
            out[ours] = None if math.isnan(d[theirs]) else float(d[theirs])
    else:
        counts = series.value_counts()
        pairs = sorted(counts.items(), key=lambda p: (-p[1], p[0]))
        out["top"] = [{"value": v, "count": int(n)} for v, n in pairs[:5]]
    return out


files = ["penguins.json", "gapminder.json", "seattle-weather.csv", "us-employment.csv", "flights-2k.json", "flights-200k.arrow"]
result = {}
for name in files:
    frame = read(name)
    result[name] = {"rows": len(frame), "columns": {c: column(frame[c]) for c in frame.columns}}
json.dump(result, sys.stdout, indent=1)
