"""Disclosures of secure aggregation: who learns what although it is there, and how many it takes to learn more."""

from fedleak.secure_aggregation.graph import Degree


def masking_disclosures(
    degree: Degree, least_survivors: int, cohort: int, *, seeded: bool, registered: bool
) -> tuple[tuple[str, str], ...]:
    """Who learns what in a round of a cohort, in which a sum is opened over `least_survivors` clients or more.

    `seeded`: all keys follow from the experiment's seed; `registered`: nodes know everybody's identity key. Source:
    Bonawitz et al. (CCS'17), figure 4, and Bell et al. (CCS'20) for a graph that is not complete.
    """
    others, needed = degree.neighbourhood(cohort) - 1, degree.threshold
    lying = min(max(degree.helpers(cohort), 1), others)
    alone = f"of a single client only if {needed} of its {others} neighbours help"
    everything = "everything: all keys follow from the seed"
    return (
        (
            f"a curious server in a round of {cohort}",
            f"the sum over {least_survivors} or more, less those who help it, and their number of examples; "
            f"who took part and when each left, sizes and times; {alone if needed <= others else 'no more'}",
        ),
        (
            "a lying server with registered keys",
            f"the same, or a lost round; of a single client only if {lying} of its {others} neighbours help, and "
            "sign two lists of survivors; of two runs of one plan the difference of their sums",
        ),
        *(() if registered else [("a lying server without", "any client's update: it is all the other clients")]),
        ("another client", f"the model, and who takes part{'; the other update' if cohort == 2 else ''}"),
        ("who holds the recordings", everything if seeded else "what the server does"),
        ("everybody", "what follows from the sum"),
    )
