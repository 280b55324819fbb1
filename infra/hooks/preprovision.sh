#!/bin/sh
# Before azd provisions: draw the secrets that are missing, once, into azd's environment (.azure/, which git leaves out).
set -eu

set_once() { # NAME VALUE
    value=$(azd env get-value "$1" 2>/dev/null) || value=
    [ -n "$value" ] || azd env set "$1" "$2"
}

command -v openssl >/dev/null || { echo "openssl is needed, to draw secrets" >&2; exit 1; }

set_once API_KEYS "$(openssl rand -hex 32)"
set_once WEBHOOK_SECRETS "whsec_$(openssl rand -base64 32)"
set_once BUDGET_START "$(date -u +%Y-%m-01)"
