"""My jobs: how far they are, and their results."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from xianning import accounts, exports, vault
from xianning import jobs as background
from xianning.access import user_of
from xianning.downloads import download
from xianning.models import Job
from xianning.privacy import NotReadable

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.models import Export, JobQuerySet

log = logging.getLogger("xianning.jobs")

TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "zip": "application/zip",
}


@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    """My latest jobs."""
    jobs = exports.with_exports(_mine(request)[:50])
    return render(request, "xianning/jobs.html", {"jobs": jobs})


@require_GET
def job(request: HttpRequest, pk: Any) -> HttpResponse:
    """One job; the page asks again until it is over. An export has a page of its own."""
    found = get_object_or_404(_mine(request), pk=pk)
    if export := _export_of(found):
        return redirect("export", export.pk)
    return render(request, "xianning/job.html", {"job": found})


@require_http_methods(["GET", "POST"])
def job_result(request: HttpRequest, pk: Any) -> HttpResponse:
    """The file of a finished job, for its owner, for a day; 410 once that is over.

    What an export gives out leaves a trace and goes away with it, so that it is asked for by POST.
    """
    found = get_object_or_404(_mine(request), pk=pk)
    if export := _export_of(found):
        return _fetch(request, found, export)
    if request.method == "POST":
        return redirect(found)
    if not found.result_name:  # not over yet, or it made no file: its page says which
        return redirect(found)
    # Rights may have ended since the file was made.
    if refusal := background.why_not_give(found):
        raise PermissionDenied(refusal)
    try:
        data = vault.get(found.result_file) if background.is_kept(found) else None
    except (FileNotFoundError, NotReadable) as problem:
        log.error("the result of job %s is lost: %s", pk, type(problem).__name__)
        data = None
    if data is None:
        return render(request, "xianning/job_gone.html", {"job": found}, status=410)
    return _file(data, found.result_name)


def _fetch(request: HttpRequest, found: Job, export: Export) -> HttpResponse:
    """The file of an export: whole values after a fresh proof of identity, and only once."""
    if request.method != "POST" or not found.result_name:
        return redirect("export", export.pk)
    # Rights may have ended since the file was made.
    if refusal := exports.why_not_give(export):
        raise PermissionDenied(refusal)
    if export.clear and (stop := accounts.require_fresh(request)):
        return stop
    data = exports.fetch(export, by=user_of(request))
    if data is None:
        export.refresh_from_db()
        context = {"job": found, "export": export}
        return render(request, "xianning/job_gone.html", context, status=410)
    return _file(data, found.result_name)


def _mine(request: HttpRequest) -> JobQuerySet:
    return Job.objects.visible_to(user_of(request)).select_related("export__log")


def _export_of(found: Job) -> Export | None:
    """The export that a job makes; None for other work."""
    return getattr(found, "export", None)


def _file(data: bytes, name: str) -> HttpResponse:
    kind = name.rpartition(".")[2]
    return download(data, name, TYPES.get(kind, "application/octet-stream"))
