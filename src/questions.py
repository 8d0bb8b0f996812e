"""Questions: their templates, and whom a question is about."""

from __future__ import annotations

TEMPLATES = ("Where was {} born?",)  # {} is the subject's name


def subject(question: str) -> str:
    """The name of the person that a question is about: what stands where the template has {}. A question that follows no
    template is returned without what it has of the first template's beginning and end."""
    for template in TEMPLATES:
        before, after = template.split("{}")
        if question.startswith(before) and question.endswith(after):
            break
    else:
        before, after = TEMPLATES[0].split("{}")
    return question.removeprefix(before).removesuffix(after).strip()
