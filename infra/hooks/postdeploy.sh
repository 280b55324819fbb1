#!/bin/sh
# After azd has deployed the code: connect what calls it (infra/events.bicep). Repeating it changes nothing.
set -eu

TRIES=20
PAUSE_SECONDS=${PAUSE_SECONDS:-15}

here=$(cd "$(dirname "$0")" && pwd)

command -v az >/dev/null || { echo "az, the Azure CLI, is needed: see docs/architecture/27-deployment.md" >&2; exit 1; }

value() { # NAME of azd's environment, empty where there is none
    azd env get-value "$1" 2>/dev/null || true
}

retry() { # WHAT COMMAND…: until it succeeds
    what=$1
    shift
    try=1
    until "$@"; do
        [ "$try" -lt "$TRIES" ] || { echo "$what: given up after $TRIES tries" >&2; exit 1; }
        echo "$what: not yet, again in $PAUSE_SECONDS s"
        try=$((try + 1))
        sleep "$PAUSE_SECONDS"
    done
}

host=$(value STEMWORKS_HTTP_HOST)
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
