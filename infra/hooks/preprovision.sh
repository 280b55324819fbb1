#!/bin/sh
# Before azd provisions: draw the secrets that are missing, once, into azd's environment (.azure/, which git leaves out).
set -eu

value() { # NAME of azd's environment, empty where there is none; azd tells what is wrong on stdout
    if found=$(azd env get-value "$1" 2>/dev/null); then echo "$found"; fi
}

set_once() { # NAME VALUE
    [ -n "$(value "$1")" ] || azd env set "$1" "$2"
}

command -v openssl >/dev/null || { echo "openssl is needed, to draw secrets" >&2; exit 1; }

set_once API_KEYS "$(openssl rand -hex 32)"
set_once WEBHOOK_SECRETS "whsec_$(openssl rand -base64 32)"

# With the first budget, not before: Azure takes none that began in an earlier month, and none that begins anew.
if [ -n "$(value ALERT_MAIL)" ]; then set_once BUDGET_START "$(date -u +%Y-%m-01)"; fi
