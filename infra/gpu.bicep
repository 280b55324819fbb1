metadata description = 'The GPU app with its image. azd deploys it with every image it has built; main.bicep has made all else.'

@description('The image, as azd pushed it.')
@minLength(1)
param image string

param name string
param location string
param environmentName string
param containerEnvironmentName string
param registryServer string

@description('The user-assigned identity of the app, whose roles main.bicep has assigned.')
param identityName string

param storageName string
param insightsName string
param publicUrl string

@allowed(['Consumption-GPU-NC8as-T4', 'Consumption-GPU-NC24-A100'])
param gpuProfile string

@description('Where the vault keeps the token of the model hub; empty if there is none.')
param hubTokenUri string

@description('Web PubSub, which hears of the progress of jobs; empty if there is none.')
param webPubSubName string
param webPubSubEndpoint string

@description('Replicas that stay up; empty for the default. 0 costs nothing while there is no work, each above it a GPU all day.')
param leastReplicas string

@description('The most replicas, and so the most GPUs that are paid for at a time; empty for the default.')
param mostReplicas string

@description('Seconds without work until the last replica goes; empty for the default.')
param cooldownSeconds string

@description('Messages of one queue that a replica takes at a time, and for so many of them another is started; empty for the default.')
param batchSize string

@description('A replica takes new messages when only so many of the batch are left; empty for the default.')
param newBatchThreshold string

@description('Port of the Functions host in the image.')
param port string

@description('false leaves the scale rules to the platform, and makes the app act as the identity that those need.')
@allowed(['true', 'false'])
param ownScaleRules string

@description('Further settings: see docs/configuration.md. MODEL_CHECKSUMS pins weights in the container models.')
param ownSettings object

var names = loadJsonContent('names.json')
var defaults = loadJsonContent('capacity/defaults.json') // what the simulation recommends: docs/architecture/31-capacity.md
var batch = empty(batchSize) ? string(defaults.batchSize) : batchSize
var health = '/${names.roles.gpu.http_functions.healthz}'

// The platform makes rules for the system-assigned identity alone (ADR 34). That one has its roles only once there is an
// app, and an app that finds storage closed does not come up: so it is not what a first deployment can start with.
var actsAsItself = ownScaleRules == 'false'

// All of a profile's node: a GPU is not shared.
var sizes = {
  'Consumption-GPU-NC8as-T4': {
    cpu: '8.0'
    memory: '56Gi'
  }
  'Consumption-GPU-NC24-A100': {
    cpu: '24.0'
    memory: '220Gi'
  }
}

var settings = union({
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  AzureWebJobsStorage__accountName: storageName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureFunctionsJobHost__extensions__queues__batchSize: batch
  AzureFunctionsWebHost__hostid: name // else every replica takes itself for another app
  AzureFunctionsJobHost__extensions__queues__newBatchThreshold: empty(newBatchThreshold) ? string(defaults.newBatchThreshold) : newBatchThreshold
  FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING: 'true'
  FUNCTIONS_WORKER_PROCESS_COUNT: '1'
  FUNCTIONS_WORKER_RUNTIME: 'python'
  PYTHON_ENABLE_INIT_INDEXING: '1'
  STEMWORKS_ROLE: 'gpu'
  PUBLIC_URL: publicUrl
}, actsAsItself ? {
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD'
} : {
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  AzureWebJobsStorage__clientId: identity.properties.clientId
}, empty(webPubSubName) ? {} : {
  WEB_PUBSUB_ENDPOINT: webPubSubEndpoint
}, ownSettings)

var plainSettings = map(items(settings), setting => { name: setting.key, value: setting.value })
var secretSettings = empty(hubTokenUri) ? [] : [
  {
    name: 'HF_TOKEN'
    secretRef: 'hub-token'
  }
]

var queueRules = [for queue in names.roles.gpu.queues: {
  name: queue
  custom: {
    type: 'azure-queue'
    identity: identity.id
    metadata: {
      accountName: storageName
      queueName: queue
      queueLength: batch
    }
  }
}]

resource home 'Microsoft.App/managedEnvironments@2026-07-01' existing = {
  name: containerEnvironmentName
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource app 'Microsoft.App/containerApps@2026-07-01' = {
  name: name
  location: location
  tags: {
    'azd-env-name': environmentName
    'azd-service-name': 'gpu'
  }
  kind: 'functionapp'
  identity: {
    type: 'SystemAssigned,UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    environmentId: home.id
    workloadProfileName: 'gpu'
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: {
        external: false
        targetPort: int(port)
        transport: 'auto'
        allowInsecure: false
      }
      registries: [
        {
          server: registryServer
          identity: identity.id
        }
      ]
      secrets: empty(hubTokenUri) ? [] : [
        {
          name: 'hub-token'
          keyVaultUrl: hubTokenUri
          identity: identity.id
        }
      ]
    }
    template: {
      terminationGracePeriodSeconds: 600
      containers: [
        {
          name: 'gpu'
          image: image
          resources: {
            cpu: json(sizes[gpuProfile].cpu)
            memory: sizes[gpuProfile].memory
          }
          env: concat(plainSettings, secretSettings)
          probes: [
            {
              type: 'Startup'
              httpGet: {
                path: health
                port: int(port)
              }
              periodSeconds: 30
              timeoutSeconds: 5
              failureThreshold: 10 // the most that Azure takes
            }
            {
              type: 'Readiness'
              httpGet: {
                path: health
                port: int(port)
              }
              periodSeconds: 10
              timeoutSeconds: 5
            }
            // patient: a model that loads can hold the process up, and a restart would throw its work away
            {
              type: 'Liveness'
              httpGet: {
                path: health
                port: int(port)
              }
              periodSeconds: 30
              timeoutSeconds: 10
              failureThreshold: 10
            }
          ]
        }
      ]
      scale: {
        minReplicas: empty(leastReplicas) ? defaults.minReplicas : int(leastReplicas)
        maxReplicas: empty(mostReplicas) ? defaults.maxReplicas : int(mostReplicas)
        cooldownPeriod: empty(cooldownSeconds) ? defaults.cooldownPeriod : int(cooldownSeconds)
        pollingInterval: defaults.pollingInterval
        allowScalingRuleOverride: !actsAsItself
        rules: actsAsItself ? [] : queueRules
      }
    }
  }
}

// The same roles for the system-assigned identity, so that ownScaleRules can be changed at any time.
module roles 'modules/roles.bicep' = {
  name: 'roles-of-the-gpu-app'
  params: {
    principalId: app.identity.principalId
    storageName: storageName
    insightsName: insightsName
    webPubSubName: webPubSubName
  }
}

output SERVICE_GPU_NAME string = app.name
