targetScope = 'subscription'

metadata description = 'Stemworks in one resource group. The GPU app follows with its image (gpu.bicep), and what calls the deployed code after it (events.bicep).'

@description('Name of this installation; azd asks for it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of everything. It must have Flex Consumption and the GPU profile.')
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Keys that callers must present, separated by spaces. The preprovision hook makes one.')
@minLength(1)
@secure()
param apiKeys string

@description('whsec_ secrets that sign callbacks, the newest first. The preprovision hook makes one.')
@minLength(1)
@secure()
param webhookSecrets string

@description('Token of the model hub, for gated models; empty if none is needed.')
@secure()
param hubToken string = ''

@description('Object id of who deploys, who then may upload models and files; empty gives nobody a role.')
param operatorId string = ''

@description('Where clients reach the API, if it has a domain of its own.')
param publicUrl string = ''

@description('Web pages that may call the API and load files from a browser, separated by spaces.')
param corsOrigins string = ''

@description('Closes the storage account to all but a virtual network. Links to files then work from inside alone.')
param privateNetwork bool = false

@description('With privateNetwork: addresses or CIDR ranges outside that may follow links, separated by spaces.')
param clientAddresses string = ''

@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageRedundancy string = 'Standard_LRS'

@description('The most days for which a job may keep its files.')
@minValue(1)
@maxValue(3650)
param longestRetentionDays int = 90

@allowed(['Consumption-GPU-NC8as-T4', 'Consumption-GPU-NC24-A100'])
param gpuProfile string = 'Consumption-GPU-NC8as-T4'

@description('The most instances of the HTTP app.')
@minValue(40)
@maxValue(1000)
param httpMostInstances int = 40

@description('Memory of each, in MB. Separations and generations without a GPU run here.')
@allowed([512, 2048, 4096])
param httpInstanceMemory int = 4096

@description('Audience of the events of Web PubSub: an application id URI of your directory. Without one there is no Web PubSub.')
param webPubSubAudience string = ''

@allowed(['Free_F1', 'Standard_S1'])
param webPubSubTier string = 'Free_F1'

@description('Who is mailed of alerts and of the budget; without an address there are neither.')
param alertMail string = ''

@description('What a month may cost before a mail says so, in the currency of the subscription.')
@minValue(1)
param budgetAmount int = 100

@description('First day of the month of the first deployment with alertMail. The preprovision hook sets it.')
param budgetStart string = ''

@description('The most logs that are taken in a day, in GB.')
@minValue(1)
param dailyLogGigabytes int = 1

@description('Further settings of the HTTP app: see docs/configuration.md.')
param httpSettings object = {}

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var origins = empty(corsOrigins) ? [] : split(corsOrigins, ' ')
var addresses = empty(clientAddresses) ? [] : split(clientAddresses, ' ')
var httpName = 'stemworks-${token}'
var apiUrl = empty(publicUrl) ? 'https://${httpName}.azurewebsites.net' : publicUrl
var live = !empty(webPubSubAudience)
var mails = !empty(alertMail)

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'stemworks${token}'
    location: location
    tags: tags
    privateNetwork: privateNetwork
    clientAddresses: addresses
    corsOrigins: origins
    longestRetentionDays: longestRetentionDays
    redundancy: storageRedundancy
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  name: 'network'
  scope: group
  params: {
    name: 'net-${token}'
    location: location
    tags: tags
    storageName: storage.outputs.name
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: 'logs-${token}'
    insightsName: 'insights-${token}'
    location: location
    tags: tags
    dailyGigabytes: dailyLogGigabytes
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: 'vault-${token}'
    location: location
    tags: tags
    apiKeys: apiKeys
    webhookSecrets: webhookSecrets
    hubToken: hubToken
  }
}

module registry 'modules/registry.bicep' = {
  name: 'registry'
  scope: group
  params: {
    name: 'stemworks${token}'
    location: location
    tags: tags
  }
}

module gpuIdentity 'modules/gpu-identity.bicep' = {
  name: 'gpu-identity'
  scope: group
  params: {
    name: 'gpu-${token}'
    location: location
    tags: tags
  }
}

module gpuRoles 'modules/roles.bicep' = {
  name: 'roles-of-the-gpu-identity'
  scope: group
  params: {
    principalId: gpuIdentity.outputs.principalId
    registryName: registry.outputs.name
    storageName: storage.outputs.name
    vaultName: empty(hubToken) ? '' : vault.outputs.name
    insightsName: monitoring.outputs.insightsName
    webPubSubName: live ? webPubSub!.outputs.name : ''
  }
}

module operatorRoles 'modules/roles.bicep' = if (!empty(operatorId)) {
  name: 'roles-of-the-operator'
  scope: group
  params: {
    principalId: operatorId
    blobAccountName: storage.outputs.name
  }
}

module webPubSub 'modules/web-pubsub.bicep' = if (live) {
  name: 'web-pubsub'
  scope: group
  params: {
    name: 'live-${token}'
    location: location
    tags: tags
    tier: webPubSubTier
  }
}

module httpApp 'modules/http-app.bicep' = {
  name: 'http-app'
  scope: group
  params: {
    name: httpName
    planName: 'flex-${token}'
    location: location
    tags: tags
    deploymentContainerUrl: storage.outputs.deploymentContainerUrl
    subnetId: privateNetwork ? network!.outputs.httpSubnetId : ''
    mostInstances: httpMostInstances
    instanceMemory: httpInstanceMemory
  }
}

module httpRoles 'modules/roles.bicep' = {
  name: 'roles-of-the-http-app'
  scope: group
  params: {
    principalId: httpApp.outputs.principalId
    storageName: storage.outputs.name
    vaultName: vault.outputs.name
    insightsName: monitoring.outputs.insightsName
    webPubSubName: live ? webPubSub!.outputs.name : ''
  }
}

module httpSettingsOfTheApp 'modules/http-settings.bicep' = {
  name: 'http-settings'
  scope: group
  dependsOn: [httpRoles]
  params: {
    appName: httpApp.outputs.name
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    apiKeysUri: vault.outputs.apiKeysUri
    webhookSecretsUri: vault.outputs.webhookSecretsUri
    publicUrl: apiUrl
    corsOrigins: corsOrigins
    longestRetentionDays: longestRetentionDays
    webPubSubSettings: live ? {
      WEB_PUBSUB_ENDPOINT: webPubSub!.outputs.endpoint
      WEB_PUBSUB_TENANT: tenant().tenantId
      WEB_PUBSUB_AUDIENCE: webPubSubAudience
      WEB_PUBSUB_IDENTITY: webPubSub!.outputs.principalId
    } : {}
    ownSettings: httpSettings
  }
}

module containerEnvironment 'modules/container-environment.bicep' = {
  name: 'container-environment'
  scope: group
  params: {
    name: 'apps-${token}'
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    subnetId: privateNetwork ? network!.outputs.gpuSubnetId : ''
    gpuProfile: gpuProfile
  }
}

module inbox 'modules/inbox.bicep' = {
  name: 'inbox'
  scope: group
  params: {
    name: 'blobs-${token}'
    location: location
    tags: tags
    storageId: storage.outputs.id
  }
}

module alerts 'modules/alerts.bicep' = if (mails) {
  name: 'alerts'
  scope: group
  params: {
    prefix: 'stemworks-${token}'
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    mail: alertMail
  }
}

module budget 'modules/budget.bicep' = if (mails && !empty(budgetStart)) {
  name: 'budget'
  scope: group
  params: {
    name: 'stemworks-${token}'
    amount: budgetAmount
    mail: alertMail
    startDate: budgetStart
  }
}

// azd keeps these in its environment; gpu.parameters.json and the hooks read them there.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer
output STEMWORKS_URL string = apiUrl
output STEMWORKS_HTTP_APP string = httpApp.outputs.name
output STEMWORKS_HTTP_HOST string = httpApp.outputs.hostName
output STEMWORKS_STORAGE string = storage.outputs.name
output STEMWORKS_INSIGHTS string = monitoring.outputs.insightsName
output STEMWORKS_CONTAINER_ENVIRONMENT string = containerEnvironment.outputs.name
output STEMWORKS_GPU_APP string = 'gpu-${token}'
output STEMWORKS_GPU_PROFILE string = gpuProfile
output STEMWORKS_GPU_IDENTITY string = gpuIdentity.outputs.name
output STEMWORKS_HUB_TOKEN_URI string = vault.outputs.hubTokenUri
output STEMWORKS_EVENT_TOPIC string = inbox.outputs.name
output STEMWORKS_WEB_PUBSUB string = live ? webPubSub!.outputs.name : ''
output STEMWORKS_WEB_PUBSUB_ENDPOINT string = live ? webPubSub!.outputs.endpoint : ''
output STEMWORKS_WEB_PUBSUB_IDENTITY string = live ? webPubSub!.outputs.principalId : ''
output STEMWORKS_WEB_PUBSUB_AUDIENCE string = webPubSubAudience
