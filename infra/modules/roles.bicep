@description('What one identity may do, and no more. Each role is named beside its id.')
param principalId string

@description('Reads and writes the account: empty for an identity that need not.')
param storageName string = ''

@description('Reads and writes blobs alone, as the person who deploys does.')
param blobAccountName string = ''

@description('Reads secrets of this vault.')
param vaultName string = ''

@description('Reports to this Application Insights.')
param insightsName string = ''

@description('Sends to clients of this Web PubSub, and hands out addresses.')
param webPubSubName string = ''

@description('Pulls images from this registry.')
param registryName string = ''

var storageBlobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageQueueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var storageTableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var webPubSubServiceOwner = '12cf5a90-567b-43ae-8102-96cf46c7d9b4'
var acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'

// Azure evaluates the name of what is not deployed too, and takes no empty one
resource storage 'Microsoft.Storage/storageAccounts@2026-09-01' existing = {
  name: empty(storageName) ? 'none' : storageName
}

resource blobAccount 'Microsoft.Storage/storageAccounts@2026-09-01' existing = {
  name: empty(blobAccountName) ? 'none' : blobAccountName
}

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' existing = {
  name: empty(vaultName) ? 'none' : vaultName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: empty(insightsName) ? 'none' : insightsName
}

resource webPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: empty(webPubSubName) ? 'none' : webPubSubName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: empty(registryName) ? 'none' : registryName
}

resource blobOwner 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(storageName)) {
  name: guid(storage.id, principalId, storageBlobDataOwner)
  scope: storage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataOwner)
    description: 'Files, the locks of the Functions host, and signed links'
  }
}

resource queueContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(storageName)) {
  name: guid(storage.id, principalId, storageQueueDataContributor)
  scope: storage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataContributor)
    description: 'Takes and sends messages'
  }
}

resource tableContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(storageName)) {
  name: guid(storage.id, principalId, storageTableDataContributor)
  scope: storage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageTableDataContributor)
    description: 'Jobs and their lists'
  }
}

// without a principalType: a person deploys from a laptop, a service principal from a pipeline
resource blobContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(blobAccountName)) {
  name: guid(blobAccount.id, principalId, storageBlobDataContributor)
  scope: blobAccount
  properties: {
    principalId: principalId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    description: 'Uploads models, drops files into the inbox'
  }
}

resource secretsUser 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(vaultName)) {
  name: guid(vault.id, principalId, keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
    description: 'Reads secrets that settings refer to'
  }
}

resource metricsPublisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(insightsName)) {
  name: guid(insights.id, principalId, monitoringMetricsPublisher)
  scope: insights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
    description: 'Sends logs and metrics'
  }
}

resource serviceOwner 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(webPubSubName)) {
  name: guid(webPubSub.id, principalId, webPubSubServiceOwner)
  scope: webPubSub
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', webPubSubServiceOwner)
    description: 'Sends to clients, hands out addresses'
  }
}

resource imagePuller 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(registryName)) {
  name: guid(registry.id, principalId, acrPull)
  scope: registry
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
    description: 'Pulls the image'
  }
}
