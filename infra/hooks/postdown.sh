#!/bin/sh
# After azd has removed everything: forget when the budget began, since the next one begins anew. Secrets stay.
set -eu

azd env set BUDGET_START ""
