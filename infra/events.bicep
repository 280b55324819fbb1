metadata description = 'What calls the deployed code: blobs in the inbox, and clients of Web PubSub. The postdeploy hook deploys it, since both ask the running app whether it wants to be called.'

param httpAppName string
param topicName string

@description('Empty if there is no Web PubSub.')
param webPubSubName string
param webPubSubAudience string

var names = loadJsonContent('names.json')

resource app 'Microsoft.Web/sites@2025-05-01' existing = {
  name: httpAppName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscriptions 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [for function in items(names.roles.http.blob_functions): {
  parent: topic
  name: 'blobs-to-${function.key}'
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: {
        // the host makes this key when it first loads a blob function; it never leaves the deployment
        endpointUrl: 'https://${app.properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions.${function.key}&code=${listKeys('${app.id}/host/default', '2025-05-01').systemKeys.blobs_extension}'
      }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/${function.value}/'
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
}]

resource webPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: empty(webPubSubName) ? 'none' : webPubSubName
}

resource liveHub 'Microsoft.SignalRService/webPubSub/hubs@2024-03-01' = if (!empty(webPubSubName)) {
  parent: webPubSub
  name: names.web_pubsub_hub
  properties: {
    anonymousConnectPolicy: 'deny'
    eventHandlers: [
      {
        urlTemplate: 'https://${app.properties.defaultHostName}/v1/live/events'
        userEventPattern: '*'
        systemEvents: ['disconnected']
        auth: {
          type: 'ManagedIdentity'
          managedIdentity: {
            resource: webPubSubAudience
          }
        }
      }
    ]
  }
}
