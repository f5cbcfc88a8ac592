"""Chinese national standards as pure functions and code lists: no database, no Django.

Everything here would be true in any city. Functions that read what a person typed raise
:class:`NotValid`, whose text is a Chinese sentence for that person. The sentence never repeats
what was typed: it may be private and may end up in a log.
"""

from __future__ import annotations

from .capitals import in_capitals, month_in_capitals
from .codes import (
    EDUCATION,
    EDUCATION_ALIASES,
    ETHNICITY,
    ETHNICITY_ALIASES,
    HEALTH,
    HEALTH_ALIASES,
    KINSHIP,
    KINSHIP_ALIASES,
    MARRIAGE,
    MARRIAGE_ALIASES,
    POLITICAL_STATUS,
    POLITICAL_STATUS_ALIASES,
    SEX,
    SEX_ALIASES,
    lookup,
)
from .dates import age_on, months_before, parse_date, parse_month
from .identity import (
    id_birth_date,
    id_sex,
    is_whole_number,
    make_credit_code,
    make_id_number,
    mask_id,
    old_registration_number,
    parse_credit_code,
    parse_id_number,
)
from .phones import parse_phone, parse_phones
from .retirement import (
    Retirement,
    RetirementKind,
    minimum_contribution_months,
    statutory_retirement,
)
from .text import NotValid, bigrams, fold, fold_name, plain

__all__ = [
    "EDUCATION",
    "EDUCATION_ALIASES",
    "ETHNICITY",
    "ETHNICITY_ALIASES",
    "HEALTH",
    "HEALTH_ALIASES",
    "KINSHIP",
    "KINSHIP_ALIASES",
    "MARRIAGE",
    "MARRIAGE_ALIASES",
    "POLITICAL_STATUS",
    "POLITICAL_STATUS_ALIASES",
    "SEX",
    "SEX_ALIASES",
    "NotValid",
    "Retirement",
    "RetirementKind",
    "age_on",
    "bigrams",
    "fold",
    "fold_name",
    "id_birth_date",
    "id_sex",
    "in_capitals",
    "is_whole_number",
    "lookup",
    "make_credit_code",
    "make_id_number",
    "mask_id",
    "minimum_contribution_months",
    "month_in_capitals",
    "months_before",
    "old_registration_number",
    "parse_credit_code",
    "parse_date",
    "parse_id_number",
    "parse_month",
    "parse_phone",
    "parse_phones",
    "plain",
    "statutory_retirement",
]
