"""Tables of samples: medians, ranges, ratios within rounds, targets."""

from dataclasses import dataclass, replace
from statistics import median

QUIET_PERCENT = 5           # foreign load that needs no word
BY_HAND = "## What was missed"


@dataclass(frozen=True)
class Figure:
    key: str                # in a sample
    name: str
    unit: str
    digits: int
    lower_is_better: bool = False
    compared: bool = True   # has a ratio column

    def named(self, operation):
        return replace(self, name=self.name.format(operation))

    def text(self, value):
        return f"{value:,.{self.digits}f}"

    @property
    def heading(self):
        return f"{self.name}, {self.unit}" if self.unit else self.name


@dataclass(frozen=True)
class Target:
    """<figure> of <subject>, as a ratio to <against> or by itself."""
    figure: str
    subject: str
    against: str | None     # None: the figure itself
    limit: float
    case: str | None = None         # None: every case that has the subject
    base_case: str | None = None    # None: the same case as the subject's


class Table:
    """samples[(case, subject)][round] = {figure key: value}"""

    def __init__(self, title, text, case_name, figures, targets,
                 base_case=None):
        self.title = title
        self.text = text
        self.case_name = case_name
        self.figures = figures
        self.targets = targets
        self.base_case = base_case      # ratios: to this case of itself
        self.samples = {}

    def add(self, case, subject, turn, sample):
        self.samples.setdefault((case, subject), {})[turn] = sample

    def series(self, case, subject, key):
        rounds = self.samples.get((case, subject), {})
        return {turn: sample[key] for turn, sample in rounds.items()}

    def ratios(self, key, row, base):
        """Ratio of each round's two samples: drift falls out."""
        ours = self.series(*row, key)
        theirs = self.series(*base, key)
        return [ours[t] / theirs[t] for t in ours if theirs.get(t)]

    def base_of(self, case, subject):
        if self.base_case:
            return self.base_case, subject
        return case, "haproxy"

    def lines(self):
        rows = [self.headings()]
        rows += [self.row(case, subject) for case, subject
                 in sorted(self.samples, key=self.order)]
        return [f"## {self.title}", "", self.text, "", *markdown(rows),
                *self.target_lines(), *self.warning(), ""]

    def warning(self):
        shares = [sample["others"] for rounds in self.samples.values()
                  for sample in rounds.values() if "others" in sample]
        if not shares or median(shares) <= QUIET_PERCENT:
            return []
        return ["", f"The machine was not quiet: other processes took "
                f"{median(shares):.0f} % of it in half of the windows or "
                "more. Take ratios with care, and rates not at all."]

    def order(self, row):
        """As they were first added."""
        cases = list(dict.fromkeys(case for case, _ in self.samples))
        names = [name for _, name in self.samples]
        return cases.index(row[0]), names.index(row[1])

    def headings(self):
        out = [self.case_name, "balancer"]
        for figure in self.figures:
            out.append(figure.heading)
            if figure.compared:
                out.append("ratio")
        return out

    def row(self, case, subject):
        out = [case, subject]
        base = self.base_of(case, subject)
        for figure in self.figures:
            values = list(self.series(case, subject, figure.key).values())
            out.append(spread(values, figure.text))
            if figure.compared:
                ratios = self.ratios(figure.key, (case, subject), base)
                out.append("1" if base == (case, subject) else
                           spread(ratios, "{:.2f}".format))
        return out

    def target_lines(self):
        rows = [row for target in self.targets for row in self.judge(target)]
        if not rows:
            return []
        head = ["target", self.case_name, "wanted", "measured", ""]
        return ["", *markdown([head, *rows])]

    def judge(self, target):
        figure = next(f for f in self.figures if f.key == target.figure)
        for case, subject in sorted(self.samples, key=self.order):
            if subject != target.subject or target.case not in (None, case):
                continue
            base_case = target.base_case or case
            base = (base_case, target.against)
            if base == (case, subject):
                continue
            yield self.verdict(target, figure, case, base)

    def verdict(self, target, figure, case, base):
        row = (case, target.subject)
        if target.against:
            values = self.ratios(target.figure, row, base)
            text, what = "{:.2f}".format, f"{figure.name} / {target.against}"
        else:
            values = list(self.series(*row, target.figure).values())
            text, what = figure.text, figure.heading
        if not values:
            return [what, case, "", "not measured", ""]
        middle = median(values)
        lower = figure.lower_is_better or not figure.compared
        met = middle <= target.limit if lower else middle >= target.limit
        return [what, case, ("≤ " if lower else "≥ ") + f"{target.limit:g}",
                spread(values, text), "met" if met else "missed"]


def spread(values, text):
    """median (least-most); the median alone where they do not differ."""
    if not values:
        return "-"
    middle, least, most = map(text, (median(values), min(values),
                                     max(values)))
    return middle if least == most else f"{middle} ({least}-{most})"


def markdown(rows):
    """Aligned, so that it also reads as plain text."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width
                               in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths)
                 + "|")
    return lines


def by_hand(path):
    """What somebody wrote behind the tables of an earlier run."""
    try:
        with open(path) as f:
            _, heading, text = f.read().partition(BY_HAND)
    except FileNotFoundError:
        return ""
    return f"\n{heading}{text}" if heading else ""


class Book:
    """Prints each table when it is there; can write them all."""

    def __init__(self, description, scale):
        self.lines = ["# Benchmarks", "",
                      *(f"* {what}: {value}" for what, value in description),
                      f"* {scale.rounds} interleaved rounds, windows of "
                      f"{scale.window_ms} ms; median (least-most); a ratio "
                      "is the median of the rounds' own ratios", "",
                      "The balancer has one core (with more than one thread: "
                      "all), load and servers the others. \"Busy\" is CPU in "
                      "the window: where the load is busier than the "
                      "balancer the rate is the load's limit, and CPU per "
                      "operation is what compares. \"Others\" is the part of "
                      "the machine that foreign processes took. \"Resent\" "
                      "are TCP segments.", ""]
        print("\n".join(self.lines), flush=True)

    def add(self, table):
        lines = table.lines()
        print("\n".join(lines), flush=True)
        self.lines += lines

    def write(self, path):
        text = by_hand(path)    # before the file is emptied
        with open(path, "w") as f:
            f.write("\n".join(self.lines).rstrip() + "\n" + text)
