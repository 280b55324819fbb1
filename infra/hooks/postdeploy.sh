#!/bin/sh
# After azd has deployed the code: connect what calls it (infra/events.bicep). Repeating it changes nothing.
set -eu

TRIES=20
PAUSE_SECONDS=${PAUSE_SECONDS:-15}

here=$(cd "$(dirname "$0")" && pwd)

fail() { # WHY
    echo "$1" >&2
    exit 1
}

value() { # NAME of azd's environment, empty where there is none; azd tells what is wrong on stdout
    if found=$(azd env get-value "$1" 2>/dev/null); then echo "$found"; fi
}

retry() { # WHAT COMMAND…: until it succeeds
    what=$1
    shift
    try=1
    until "$@"; do
        [ "$try" -lt "$TRIES" ] || fail "$what: given up after $TRIES tries"
        echo "$what: not yet, again in $PAUSE_SECONDS s"
        try=$((try + 1))
        sleep "$PAUSE_SECONDS"
    done
}

command -v az >/dev/null || fail "az, the Azure CLI, is needed: see docs/architecture/27-deployment.md"
az account show --output none || fail "az must be signed in, apart from azd: az login"
host=$(value STEMWORKS_HTTP_HOST)
[ -n "$host" ] || fail "azd does not know STEMWORKS_HTTP_HOST: azd provision"
retry "https://$host/healthz" curl --fail --silent --show-error --max-time 60 --output /dev/null "https://$host/healthz"

# Event Grid and Web PubSub ask the app before they are connected, and the host makes its key when it has loaded.
retry "infra/events.bicep" az deployment group create \
    --subscription "$(value AZURE_SUBSCRIPTION_ID)" \
    --resource-group "$(value AZURE_RESOURCE_GROUP)" \
    --name events \
    --template-file "$here/../events.bicep" \
    --parameters \
    "httpAppName=$(value STEMWORKS_HTTP_APP)" \
    "topicName=$(value STEMWORKS_EVENT_TOPIC)" \
    "webPubSubName=$(value STEMWORKS_WEB_PUBSUB)" \
    "webPubSubAudience=$(value STEMWORKS_WEB_PUBSUB_AUDIENCE)" \
    --output none

echo "Stemworks answers at $(value STEMWORKS_URL)"
