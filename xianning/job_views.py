"""My jobs: how far they are, and their results."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET

from xianning import exports, vault
from xianning import jobs as background
from xianning.access import user_of
from xianning.downloads import download
from xianning.models import Job
from xianning.privacy import NotReadable

if TYPE_CHECKING:
    from django.http import HttpRequest

log = logging.getLogger("xianning.jobs")

TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}


@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    """My latest jobs."""
    mine = Job.objects.visible_to(user_of(request))[:50]
    return render(request, "xianning/jobs.html", {"jobs": mine})


@require_GET
def job(request: HttpRequest, pk: Any) -> HttpResponse:
    """One job; the page asks again until it is over."""
    found = get_object_or_404(Job.objects.visible_to(user_of(request)), pk=pk)
    return render(request, "xianning/job.html", {"job": found})


@require_GET
def job_result(request: HttpRequest, pk: Any) -> HttpResponse:
    """The file of a finished job, for its owner, for a day; 410 once that is over."""
    found = get_object_or_404(Job.objects.visible_to(user_of(request)), pk=pk)
    if not found.result_name:  # not over yet, or it made no file: its page says which
        return redirect(found)
    # Rights may have ended since the file was made.
    if found.kind == "export" and (refusal := exports.why_not_fetch(user_of(request), found)):
        raise PermissionDenied(refusal)
    try:
        data = vault.get(found.result_file) if background.is_kept(found) else None
    except (FileNotFoundError, NotReadable) as problem:
        log.error("the result of job %s is lost: %s", pk, type(problem).__name__)
        data = None
    if data is None:
        return render(request, "xianning/job_gone.html", {"job": found}, status=410)
    kind = found.result_name.rpartition(".")[2]
    return download(data, found.result_name, TYPES.get(kind, "application/octet-stream"))
