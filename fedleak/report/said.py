"""What can be said in one sentence of all the defenses of which the same was found, for each kind of thing."""

from fedleak.analysis.judgement import Judgement

UNTESTED = "none of them takes account of the defense: untested, not safe."
TESTED = "some of them know the defense, but that is no proof of safety."
SAID = {
    "inputs": {
        Judgement.LEAKED: "Images were rebuilt under {names}.",
        Judgement.BEYOND: "Under {names} no image was rebuilt, but more than guessing was recovered.",
        Judgement.UNCLEAR: "Under {names} no image was rebuilt, and what was recovered luck may explain.",
        Judgement.TOO_FEW: "Under {names} no image was rebuilt, and there are too few messages to tell more.",
        Judgement.NOTHING: (
            "Under {names} these attackers rebuilt no image and on average came no nearer than guessing does; {tested}"
        ),
        Judgement.MISSING: "Under {names} no attack has a figure for the images.",
    },
    "labels": {
        Judgement.LEAKED: "Labels were read under {names}.",
        Judgement.BEYOND: "Under {names} more of the labels was read than guessing gives.",
        Judgement.UNCLEAR: "Under {names} luck may explain the labels that were read.",
        Judgement.TOO_FEW: "Under {names} there are too few labels to tell reading from guessing.",
        Judgement.NOTHING: "Under {names} these attackers read no more labels than guessing does; {tested}",
        Judgement.MISSING: "Under {names} no attack has a figure for the labels.",
    },
    "membership": {
        Judgement.LEAKED: "Members were found under {names}.",
        Judgement.BEYOND: "Under {names} no member was found for sure, but they were told from others above chance.",
        Judgement.UNCLEAR: "Under {names} luck may explain the members that were found.",
        Judgement.TOO_FEW: "Under {names} there are too few messages to tell finding members from guessing.",
        Judgement.NOTHING: "Under {names} these attackers found no more members than guessing does; {tested}",
        Judgement.MISSING: "Under {names} no attack has a figure for the members.",
    },
    "properties": {
        Judgement.LEAKED: "Questions about the batches were answered under {names}.",
        Judgement.BEYOND: "Under {names} questions about the batches were answered better than guessing does.",
        Judgement.UNCLEAR: "Under {names} luck may explain the questions that were answered.",
        Judgement.TOO_FEW: "Under {names} there are too few messages to tell answers from guessing.",
        Judgement.NOTHING: ("Under {names} these attackers answered no more questions than guessing does; {tested}"),
        Judgement.MISSING: "Under {names} no attack has a figure for the questions.",
    },
}
