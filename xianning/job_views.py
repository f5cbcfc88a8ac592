"""My jobs: how far they are, and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from xianning import vault
from xianning.access import user_of
from xianning.downloads import download
from xianning.models import Job

if TYPE_CHECKING:
    from django.http import HttpRequest

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
    """The file of a finished job, for its owner, for a day."""
    found = get_object_or_404(Job.objects.visible_to(user_of(request)), pk=pk)
    try:
        data = vault.get(found.result_file) if found.result_file else None
    except FileNotFoundError:
        data = None
    if data is None:
        return render(request, "xianning/job_gone.html", {"job": found}, status=410)
    kind = found.result_name.rpartition(".")[2]
    return download(data, found.result_name, TYPES.get(kind, "application/octet-stream"))
