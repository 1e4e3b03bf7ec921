"""Makes the table of bench/README.md and the data of its plots from lines of figures.

usage: table.py FIGURES FOLDER     figures of one command are taken together: the median stands for them
"""
import json
import statistics
import sys


def main():
    groups = {}
    for line in open(sys.argv[1], encoding="utf-8"):
        row = json.loads(line)
        groups.setdefault(row["command"], []).append(row["figure"])
    print("| command | figure |\n| --- | --- |")
    sizes = {}
    loads = []
    for command, figures in groups.items():
        if isinstance(figures[0], list):
            for row in figures[0]:
                print("| `%s` | %s |" % (command, ", ".join(show(k, v) for k, v in row.items())))
            continue
        merged = {}
        for key, value in figures[0].items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                merged[key] = statistics.median(f[key] for f in figures)
            elif isinstance(value, dict):
                merged[key] = {k: statistics.median(f[key][k] for f in figures) for k in value}
            else:
                merged[key] = value
        print("| `%s` | %s |" % (command, ", ".join(show(k, v) for k, v in merged.items())))
        if "matches_per_s" in merged and "--hostile" not in command and "--mixed" not in command and "city" not in command:
            name = merged.get("peer", "paidan, by " + merged.get("rank", ""))
            sizes.setdefault(name, []).append((merged["organisations"], merged["matches_per_s"]))
        if merged.get("rate"):
            loads.append((merged["lives_per_s"], merged["latency_us"]))
    with open(sys.argv[2] + "/throughput.dat", "w", encoding="utf-8") as out:
        for name, points in sorted(sizes.items()):
            out.write('"%s"\n' % name)
            out.writelines("%d %f\n" % point for point in sorted(points))
            out.write("\n\n")
    with open(sys.argv[2] + "/latency.dat", "w", encoding="utf-8") as out:
        for lives, latency in sorted(loads, key=lambda point: point[0]):
            out.write("%f %f %f %f\n" % (lives, latency["p50"], latency["p99"], latency["p999"]))


def show(key, value):
    if isinstance(value, dict):
        return ", ".join("%s %.1f µs" % (k.replace("p999", "p99.9"), v) for k, v in value.items())
    if isinstance(value, float) and value == int(value):
        value = int(value)
    return "%s %s" % (key, value)


main()
