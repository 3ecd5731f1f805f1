"""Whether what a text says about verdict, set-up, next round and earlier takes agrees with what is known. Pure."""

from __future__ import annotations

import re
from typing import Final

from sg_hybrid.errors import AiRejected

from .known import Known, rounds_to
from .words import Words, vocabulary

_TEMPO: Final = r"(?:the |your |its |this )?(?:tempo|speed|pace|bpm|metronome|click)"
_BY_BPM: Final = r"(?: by)? [\w.,-]+(?: \w+)? bpm"
_IT: Final = r"(?:it|this|that|things|them)"
_NO_TEMPO: Final = r"(?! to (?:one|two|just|only|a single|a whisper)\b| in volume\b)"
"""Not after what is brought down: `bring it down to a whisper`."""
_SOON: Final = (
    r"(?: (?:is|are|was|were|be|been|being|has|will|gets|goes|comes|moves|steps|going|coming|moving|stepping|go|come"
    r"|move|then|now|a|an|little|bit|touch|slightly))*"
)
"""What may stand between the tempo and where it goes."""
_FASTER: Final = re.compile(
    r"\b(?:faster|quicker|accelerate\w*|speed(?:ing)?(?: \w+){0,2} up|pick(?:ing)?(?: \w+){0,2} up the (?:pace|speed)"
    rf"|(?:rais|lift|increas|push|nudg|bump)(?:e|es|s|ing)? {_TEMPO}"
    rf"|(?:bring|take|move|turn|set|crank|nudge|put|pull|go) {_TEMPO}(?: \w+)? (?:up|higher)"
    rf"|(?:bring|take|kick|step|ramp|bump|push|nudge|crank)(?:s|ing)? {_IT} up"
    rf"|(?:bring|turn|kick|step|ramp|bump|push|nudg|crank)(?:e|es|s|ing)? up {_TEMPO}"
    rf"|{_TEMPO}(?: \w+)? (?:up|higher)"
    rf"|{_TEMPO}{_SOON} (?:up|higher|rises?|rising|increas(?:es?|ing)|climbs?|climbing|raised|increased|lifted|bumped)"
    r"|(?:higher|more|extra|livelier|brisker|increased) (?:tempo|speed|pace|bpm)"
    r"|double[- ](?:time|tempo|speed)|up(?: a little)? in tempo"
    rf"|(?:up|adds?|adding|plus|gains?|gaining|extra){_BY_BPM}"
    rf"|(?:rais|lift|increas|nudg|bump)(?:e|es|s|ing)? {_IT}{_BY_BPM}|bpm (?:more|up|higher))\b"
)
_SLOWER: Final = re.compile(
    r"\b(?:slower|decelerate\w*|ease off"
    r"|slow(?:ing)?(?: (?:it|this|that|things|them|the|your|a)(?: \w+)?)? down"
    rf"|slow(?:s|ing)? (?:the|your|its|this) (?:tempo|speed|pace|metronome|click)|slow(?:s|ing)?(?: {_IT})?{_BY_BPM}"
    rf"|(?:lower|reduc|drop|decreas|cut|eas)(?:e|es|s|ing|ping|ting)? {_TEMPO}"
    rf"|(?:bring|take|move|turn|set|put|pull|go|back|dial|knock) {_TEMPO}(?: \w+)? (?:down|lower|back|off)"
    rf"|(?:bring|take|dial|knock|scal)(?:e|es|s|ing)? {_IT} down{_NO_TEMPO}|(?:dial|scal)(?:e|es|s|ing)? {_IT} back"
    rf"|(?:bring|take|turn|back|dial|eas|scal)(?:e|es|s|ing)? (?:down|off|back)(?: on| of)? {_TEMPO}"
    rf"|{_TEMPO}(?: \w+)? (?:down|lower)"
    rf"|{_TEMPO}{_SOON} (?:down|lower|drops?|dropping|falls?|falling|sinks?|sinking|eas(?:es?|ing)|decreas(?:es?|ing)"
    r"|lowered|reduced|decreased|eased)"
    r"|(?:lower|less|gentler|calmer|easier|more relaxed|reduced) (?:tempo|speed|pace|bpm)"
    r"|half[- ](?:time|tempo|speed)|half (?:the|that|your) (?:tempo|speed)"
    rf"|(?:down|minus|loses?|losing|drops?|dropping|falls){_BY_BPM}|bpm (?:less|down|lower|off))\b"
)
_SAME: Final = re.compile(
    rf"\b(?:same {_TEMPO}"
    rf"|(?:keep|hold|leave|maintain) {_TEMPO}(?! (?:steady|even|up|down|in|from|moving))"
    rf"|{_TEMPO} (?:is |stays |remains |stay |remain )?(?:unchanged|the same|as it is|where it is|constant)"
    rf"|{_TEMPO} (?:will )?(?:stays?|remains?) (?:here|put)"
    r"|stay (?:at|with) (?:this|the|that) (?:tempo|speed)|keep (?:this|that) tempo|no change (?:in|of) tempo)\b"
)
_AIMED_AT: Final = re.compile(
    r"\b(?:(?:(?<!you )(?:keep|leave|hold|stay|stick|remain)|up|down|back|lower|raise|drop)(?: \w+){0,3}|stays|remains)"
    r" (?:at|to|with) (?P<bpm>\d{2,3}(?:[.,]\d+)?)"
    r"(?=[ -]bpm\b| beats per\b| (?:and|for|with|while|so|next|this)\b|[.,;:!?] |[.;:!?]?$)"
)
"""`keep it at 96 BPM`, `take it up to 124`: the tempo of the next round."""
_DRIFT: Final = re.compile(
    r"\b(?:you(?:'re| are| were|r (?:tempo|pace|speed|playing|time))?"
    r"(?! (?:can|may|should|will|could|might|want|need|get)\b)(?: \w+){0,2}"
    r" (?:speeds?|sped|speeding|slows?|slowed|slowing|accelerat\w+|wander\w*"
    r"|drift(?:s|ed|ing)?(?! late| early| behind| ahead))"
    r"|you(?: \w+)? (?:pushed|dragged|rushed) (?:the|your) (?:tempo|pace|speed|click)"
    r"|(?<!if )(?<!when )(?:you|you've|you're|you are|you were|you have)(?: \w+)? (?:lost|losing|lose)"
    r" (?:time|(?:the|your) (?:pulse|tempo|time|beat|groove|click))"
    r"|bpm (?:too (?:fast|slow|high|low)|over|under|above|below)"
    r"|(?:the|your) (?:tempo|pace|speed|time|pulse)(?: \w+)?"
    r" (?:sags?|sagged|rose|crept|creeps|drift\w*|dropped|fell|slow(?:s|ed)|sped|waver\w*|wander\w*|stumbl\w*"
    r"|wobbl\w*))\b"
)
_NOT_MEANT: Final = re.compile(
    r"(?:\bdon'?t|\bdo not|\bnot to|\bavoid|\bwithout|\bresist|\brather than|\binstead of|\bfrom|\bno)(?: \w+)? $"
)
_TEMPO_WORDS: Final = vocabulary(
    """
    tempo speed speeds sped speeding pace bpm minute metronome click faster quicker slower slow slows slowed slowing
    down accelerate accelerating accelerated decelerate drift drifts drifted drifting wander wanders wandered wavers
    wavered stumbled stumbles wobbled wobbles lost losing lose sags sagged rose crept creeps dropped fell double
    half ease up back pushed dragged rushed
    """
)

_DENSER: Final = re.compile(
    r"\b(?:denser|busier|more notes|fuller|fill in more|(?:rais|increas|bump|push)(?:e|ing)?(?: up)? the density"
    r"|density (?:high|higher|up))\b"
)
_SPARSER: Final = re.compile(
    r"\b(?:sparser|thinner|fewer notes|(?:lower|reduc|drop|cut)(?:e|ing)? the density|density (?:low|lower|down))\b"
)
_MORE_SYNCOPATED: Final = re.compile(r"\b(?:more|heavier|extra) syncopat\w+")
_LESS_SYNCOPATED: Final = re.compile(r"\b(?:less|lighter|fewer|no) syncopat\w+")
_HARDER: Final = re.compile(
    r"\bdifficulty(?: \w+)? (?:up|higher|rises|grows)|\b(?:next (?:round|take)|it) (?:is|gets) harder"
)
_EASIER: Final = re.compile(
    r"\bdifficulty(?: \w+)? (?:down|lower|falls|drops)|\b(?:next (?:round|take)|it) (?:is|gets) easier"
)
_LABELLED: Final = re.compile(r"\b(density|sync(?:opation)?)(?: is|:)? (sparse|medium|dense|straight|light|heavy)\b")
_CHANGE_WORDS: Final = vocabulary(
    """
    denser busier more fuller sparser thinner fewer density difficulty harder easier sync syncopation syncopated
    syncopations less lighter heavier extra
    """
)

_BEFORE: Final = (
    r"(?:last|before|your (?:last|earlier|previous|recent|other|first)|the (?:last|previous|first|earlier)"
    r"|earlier|ever|previously)\b"
)
_AVERAGE: Final = r"your (?:recent |usual |earlier )?average"
_BETTER: Final = re.compile(
    r"\b(?:improvement|improved|improving|progress since|on the way (?:back )?up|moving forward|climb(?:ing|ed)"
    r"|(?:a )?(?:clear |big |small |real )?step up"
    r"|(?:getting|got|playing)(?: \w+ly)? (?:better|tighter|steadier|cleaner)"
    rf"|(?:better|tighter|steadier|cleaner|closer|stronger|more \w+) than {_BEFORE}"
    rf"|(?:above|over|beats?) {_AVERAGE}|up from {_BEFORE}"
    r"|(?:the|your) score(?: \w+)? (?:rose|rises|climbs?|climbed|went up|jumped|grew))"
)
_WORSE: Final = re.compile(
    rf"\b(?:(?:worse|looser|weaker|less \w+|further) than {_BEFORE}|not (?:quite )?as \w+ as {_BEFORE}"
    rf"|(?:under|below) {_AVERAGE}|(?:slipped|dropped|fell|fallen|gone)(?: a (?:little|bit))? (?:back|from|below|under)"
    rf"|(?:slipped|dropped|fell|fallen|worse|looser|weaker)(?: \w+)? compared (?:with|to) {_BEFORE}"
    r"|(?:the|your) score(?: \w+)? (?:fell|falls|drops?|dropped|dips?|dipped|sank|slipped|went down)"
    r"|setback|regress\w+|(?<!take a )(?<!take one )step (?:backwards?|back|down)\b(?! the))"
)
_BEST: Final = re.compile(
    r"\b(?:(?:best|tightest|steadiest|cleanest|strongest|highest|worst|lowest|weakest|loosest) (?:take|score|round|run)"
    r"(?: (?:yet|ever|so far|today|of the (?:day|session)|this session|to date)| you(?:'ve| have))"
    r"|personal (?:best|record)|new (?:record|best|high score))\b"
)
_RECALLED: Final = re.compile(
    r"\b(?:(?:same|as|like) (?:\w+ ){0,3}?(?:your|the) (?:last|previous|earlier|first) (?:take|round|time|one)"
    r"|(?:same \w+ as|just like|like) last time|(?:second|third|fourth|fifth|another) (?:pass|fail) in a row)\b"
)
"""How one of the earlier takes was; only their average is known."""
_NOT_BEST: Final = re.compile(r"\b(?:not|isn't|wasn't|never|towards?|for|until|beat|chase|aim\w*)(?: \w+){0,2} \Z")
_TREND_WORDS: Final = vocabulary(
    """
    worse compared improvement improved improving better getting got playing progress not step way forward climbing
    climbed score best record tightest steadiest cleanest strongest highest worst lowest weakest loosest
    than average last previous earlier first row from slipped dropped fell fallen gone setback regressed
    """
)

_PASSED: Final = re.compile(
    r"\b(?:(?:you|you've|you have)(?: just)? passed|passed (?:this|the|that) take|take (?:passed|(?:is|was) a pass))\b"
)
_A_PASS: Final = re.compile(
    r"\b(?:passing (?:score|take)|(?:clear|solid|strong|clean|comfortable|nice|good|great) pass)\b"
)
_STILL_AIMED_AT: Final = re.compile(r"\b(?:aim\w*|goal|towards?|until|need\w*|close|closer|reach|away|next time)\b")
"""In the clause of a pass that is not there yet."""
_CLAUSE: Final = re.compile(r"[^.!?;:,]+")
_FAILED: Final = re.compile(
    r"\b(?:(?:you|you've|you have)(?: just)? failed(?! to)|failed (?:this|the|that) take|a failed take"
    r"|take (?:failed|(?:is|was) a fail(?:ure)?)|failing (?:score|take))\b"
)
_VERDICT_WORDS: Final = vocabulary("pass passed passing fail failed failing failure")

_SET_UP: Final = {
    "panic_used": re.compile(r"\bpanic button\b"),
    "underrun_detected": re.compile(
        r"\b(?:underruns?|dropouts?"
        r"|(?:audio|sound|engine)(?: engine)? (?:dropped|stumbled|stuttered|glitched|crashed|froze|cut(?! through)))\b"
    ),
}
_DENIED: Final = re.compile(
    r"\b(?:no|not|never|without|neither|nor|didn't|wasn't|weren't)(?! (?:wonder|doubt|matter|only|just)\b)"
    r"(?: (?!but\b)[\w']+)* \Z"
)
"""Before what did not happen: `no dropouts`, `you did not need the panic button`."""
_THIS_TAKE: Final = r"(?: \w+){0,2} (?:this time|this (?:take|round)|in this (?:take|round)|today)\b"
_DENIED_HERE: Final = {
    name: re.compile(
        rf"\b(?:no|without|didn't|did not|never)(?: [\w']+){{0,4}} {happened}{_THIS_TAKE}"
        rf"|\b(?:you|there|it) (?:didn't|did not|never|had no|was no|were no|wasn't|weren't)(?: [\w']+){{0,3}}"
        rf" {happened}"
    )
    for name, happened in (("panic_used", "panic(?: button)?"), ("underrun_detected", "(?:underruns?|dropouts?)"))
}
"""What is said not to have happened in this take; `play it without the panic button` is a task."""
_SET_UP_WORDS: Final = vocabulary("panic underrun underruns dropout dropouts audio sound engine")


def check_changes(words: Words, known: Known) -> None:
    """Raise AiRejected if a text contradicts what was decided, or the trend."""
    if not _TEMPO_WORDS.isdisjoint(words.vocabulary):
        _check_tempo(words.text, known)
    if any(map(str.isdecimal, words.text)):
        _check_aim(words.text, known)
    if not _CHANGE_WORDS.isdisjoint(words.vocabulary):
        _check_density(words.text, known)
        _check_difficulty(words.text, known.difficulty_delta or 0.0)
    if not _VERDICT_WORDS.isdisjoint(words.vocabulary):
        _check_verdict(words.text, known.verdict)
    if not _SET_UP_WORDS.isdisjoint(words.vocabulary):
        _check_set_up(words.text, known)
    if not _TREND_WORDS.isdisjoint(words.vocabulary):
        _check_trend(words.text, known.number("score_trend") or 0.0)


def _check_tempo(text: str, known: Known) -> None:
    if _DRIFT.search(text):
        raise AiRejected("a drift of the tempo, which is not measured")
    delta = known.tempo_delta
    for pattern, sign, name in ((_FASTER, 1, "faster"), (_SLOWER, -1, "slower"), (_SAME, 0, "the same tempo")):
        claimed = any(not _NOT_MEANT.search(text, 0, found.start()) for found in pattern.finditer(text))
        if claimed and (delta is None or (delta > 0) - (delta < 0) != sign):
            raise AiRejected(f"{name}, and that is not what was decided")


def _check_aim(text: str, known: Known) -> None:
    following = [] if known.next_bpm is None else [known.next_bpm]
    for found in _AIMED_AT.finditer(text):
        whole, _, part = found["bpm"].replace(",", ".").partition(".")
        if not rounds_to(float(f"{whole}.{part or 0}"), len(part), following):
            raise AiRejected("another tempo than was decided")


def _check_density(text: str, known: Known) -> None:
    density, syncopation = known.next_round("density"), known.next_round("syncopation")
    contradicted = (
        (density in ("sparse", None) and _DENSER.search(text))
        or (density in ("dense", None) and _SPARSER.search(text))
        or (syncopation in ("straight", None) and _MORE_SYNCOPATED.search(text))
        or (syncopation in ("heavy", None) and _LESS_SYNCOPATED.search(text))
        or any(value != (density if name == "density" else syncopation) for name, value in _LABELLED.findall(text))
    )
    if contradicted:
        raise AiRejected("another density or syncopation than was decided")


def _check_difficulty(text: str, delta: float) -> None:
    if (_HARDER.search(text) and delta <= 0) or (_EASIER.search(text) and delta >= 0):
        raise AiRejected("another difficulty than was decided")


def _check_verdict(text: str, verdict: str) -> None:
    a_pass = any(_A_PASS.search(one) and not _STILL_AIMED_AT.search(one) for one in _CLAUSE.findall(text))
    passed = a_pass or _PASSED.search(text)
    if (passed and verdict != "pass") or (_FAILED.search(text) and verdict != "fail"):
        raise AiRejected("another verdict than was decided")


def _check_set_up(text: str, known: Known) -> None:
    untrue = (happened.finditer(text) for name, happened in _SET_UP.items() if known.is_false(name))
    if any(not _DENIED.search(text, 0, found.start()) for every in untrue for found in every):
        raise AiRejected("something about the set-up that did not happen")
    if any(known.is_true(name) and denied.search(text) for name, denied in _DENIED_HERE.items()):
        raise AiRejected("something about the set-up that did happen")


def _check_trend(text: str, trend: float) -> None:
    if (_BETTER.search(text) and trend <= 0) or (_WORSE.search(text) and trend >= 0):
        raise AiRejected("a comparison with earlier takes that the trend does not show")
    if any(not _NOT_BEST.search(text, 0, found.start()) for found in _BEST.finditer(text)):
        raise AiRejected("the best or the worst of the takes, which no fact tells")
    if _RECALLED.search(text):
        raise AiRejected("how an earlier take was, which no fact tells")
