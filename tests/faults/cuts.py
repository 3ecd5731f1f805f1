from collections.abc import Iterator


def power_cuts(survey, judge, model, every=1) -> Iterator[tuple[str, list[str]]]:
    yield from ()
