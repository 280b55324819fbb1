@description('The settings of the HTTP app: after its roles, so that references to the vault resolve at once.')
param appName string
param storageName string
param insightsName string
param apiKeysUri string
param webhookSecretsUri string
param publicUrl string
param corsOrigins string
param longestRetentionDays int

@description('Settings of Web PubSub, or none.')
param webPubSubSettings object

@description('Settings of your own, which win over these: see docs/configuration.md.')
param ownSettings object

resource app 'Microsoft.Web/sites@2025-05-01' existing = {
  name: appName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource settings 'Microsoft.Web/sites/config@2025-05-01' = {
  parent: app
  name: 'appsettings'
  properties: union({
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD'
    APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
    AzureWebJobsStorage__accountName: storageName
    AzureWebJobsStorage__credential: 'managedidentity'
    FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING: 'true'
    PYTHON_ENABLE_INIT_INDEXING: '1'
    STEMWORKS_ROLE: 'http'
    INBOX_SOURCE: 'EventGrid'
    API_KEYS: '@Microsoft.KeyVault(SecretUri=${apiKeysUri})'
    WEBHOOK_SECRETS: '@Microsoft.KeyVault(SecretUri=${webhookSecretsUri})'
    PUBLIC_URL: publicUrl
    CORS_ORIGINS: corsOrigins
    LONGEST_RETENTION_SECONDS: string(longestRetentionDays * 86400)
  }, webPubSubSettings, ownSettings)
}
