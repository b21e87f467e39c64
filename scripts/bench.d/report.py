"""What comes out: a table for people, JSON for programs, and the verdict on the targets."""

from statistics import median

MEGABYTE = 1 << 20
UNSTEADY = 2  # a slowest sample of so many times the fastest says that the machine was busy


def seconds(value):
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def times(value):
    return f"{value:.0f}×" if value >= 10 else f"{value:.1f}×"


def summarise(samples):
    """{workload phase: {tool: {"median", "samples", …}}} from lists of measurements."""
    results = {}
    for (key, tool, steps), found in samples.items():
        entry = results.setdefault(key, {})[tool] = {
            "median": median(f["seconds"] for f in found),
            "cpu": median(f["cpu"] for f in found),
            "samples": [round(f["seconds"], 5) for f in found],
        }
        if steps:
            entry["per_step_ms"] = entry["median"] / steps * 1000
    for entry in results.values():
        base = entry.get("kiln") or next((e for name, e in entry.items() if name.startswith("kiln")), None)
        for found in entry.values():
            if base and base["median"] > 0:
                found["ratio"] = found["median"] / base["median"]
    return results


def rows_to_text(rows):
    """Columns, the first flush left; empty cells stay empty."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def time_table(results, tools, titles, failures):
    rows = [["median seconds (ratio to kiln)", *tools]]
    for key, title in titles.items():
        entry = results.get(key, {})
        row, steps = [f"{key}: {title}"], ["  per step"]
        for tool in tools:
            found = entry.get(tool)
            if not found:
                row.append("failed" if (key, tool) in failures else "")
                steps.append("")
                continue
            ratio = "" if tool == "kiln" or "ratio" not in found else f" ({times(found['ratio'])})"
            unsteady = "~" if max(found["samples"]) > UNSTEADY * min(found["samples"]) else ""
            row.append(unsteady + seconds(found["median"]) + ratio)
            steps.append(f"{found['per_step_ms']:.1f} ms" if "per_step_ms" in found else "")
        if any(row[1:]):
            rows.append(row)
        if any(steps[1:]):
            rows.append(steps)
    text = rows_to_text(rows)
    note = f"\n~ the slowest run took more than {UNSTEADY} times the fastest: do not rely on this figure"
    return text + note if any("~" in cell for row in rows for cell in row[1:]) else text


def memory_table(memory, tools):
    """Largest process / sum at one instant, of the tool's own processes."""
    measured = [tool for tool in tools if any(tool in entry for entry in memory.values())]
    rows = [["peak memory in MB: largest process / sum", *measured]]
    for key, entry in memory.items():
        rows.append([key, *(f"{entry[t]['largest'] / MEGABYTE:.0f} / {entry[t]['sum'] / MEGABYTE:.0f}"
                            if t in entry else "" for t in measured)])
    return rows_to_text(rows)


def add_single(results, add):
    """What it costs to have no subordinate ids: against the user who has them, in the same run."""
    ranged, single = (results.get("W1 cold", {}).get(tool) for tool in ("kiln", "kiln-single"))
    if ranged and single:
        more = single["per_step_ms"] - ranged["per_step_ms"]
        add("W1 cold, a step, single against ranged", "≤ 1 ms more", f"{more:+.2f} ms", more <= 1)
    ranged, single = (results.get("apt cold", {}).get(tool) for tool in ("kiln", "kiln-single"))
    if ranged and single:
        more = single["median"] / ranged["median"] - 1
        add("apt-get install, single against ranged", "≤ 15 % more", f"{more:+.0%}", more <= 0.15)


def targets(results, memory, failures):
    """The targets that can be judged from what was measured. What failed is missed."""
    found = []

    def add(what, limit, value, met):
        found.append({"target": what, "limit": limit, "value": value, "met": met})

    def ratio(key, limit):
        entry = results.get(key, {})
        if (key, "kiln") in failures:
            add(f"{key} against buildah", f"≥ {limit}×", "failed", False)
        elif "buildah" in entry and "kiln" in entry:
            value = entry["buildah"]["median"] / entry["kiln"]["median"]
            add(f"{key} against buildah", f"≥ {limit}×", times(value), value >= limit)

    ratio("W1 cold", 50)
    if "kiln" in results.get("W1 cold", {}):
        step = results["W1 cold"]["kiln"]["per_step_ms"]
        add("W1 cold, a step", "≤ 4 ms", f"{step:.2f} ms", step <= 4)
    add_single(results, add)
    ratio("W1 cached", 20)
    ratio("W3 cached", 20)
    # The greater of the two: a PSS shares pages out among their users, a VmHWM counts them whole.
    peaks = {key: max(entry["kiln"]["sum"], entry["kiln"]["largest"]) for key, entry in memory.items() if "kiln" in entry}
    if peaks:
        worst = max(peaks, key=peaks.get)
        add("peak memory", "< 48 MB", f"{peaks[worst] / MEGABYTE:.1f} MB ({worst})",
            peaks[worst] < 48 * MEGABYTE)
    return found


def target_text(found):
    return "\n".join(f"{'met   ' if t['met'] else 'MISSED'}  {t['target']}: {t['value']} (target {t['limit']})"
                     for t in found)
