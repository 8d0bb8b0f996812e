"""Questions: their templates, and whom a question is about."""

from __future__ import annotations

TEMPLATES = ("Where was {} born?",)  # {} is the subject's name


def subject(question: str) -> str:
    """The name of the person that a question is about; the whole question where it follows no template."""
    for template in TEMPLATES:
        before, after = template.split("{}")
        if question.startswith(before) and question.endswith(after):
            break
    else:
        before, after = TEMPLATES[0].split("{}")
    return question.removeprefix(before).removesuffix(after).strip()
