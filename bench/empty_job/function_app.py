"""The product's own functions, with a worker that has nothing to do: what is left is what a job costs by itself."""

import azure.functions as func

import core.bootstrap
from bench.ways.empty_worker import EmptyWorker
from core.jobs.model import JobKind
from core.settings import settings

_services = core.bootstrap.build(
    settings(), core.bootstrap.azure_storage(settings()), workers={JobKind.GENERATION: EmptyWorker()}
)
vars(core.bootstrap)["bootstrap"] = lambda: _services  # before the functions import it

from functions import callbacks, cpu, dead_letters, generation, housekeeping  # noqa: E402 - after the line above
from functions.http import functions as http  # noqa: E402

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for module in (http, cpu, generation, callbacks, dead_letters, housekeeping):
    app.register_functions(module.blueprint)
