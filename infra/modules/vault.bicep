@description('The secrets that no identity can replace: what callers present, what callbacks are signed with.')
param name string
param location string
param tags object

@secure()
param apiKeys string

@secure()
param webhookSecrets string

@description('For gated models of the hub; empty if there is none.')
@secure()
param hubToken string

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
  }
}

resource apiKeysSecret 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = {
  parent: vault
  name: 'api-keys'
  properties: {
    value: apiKeys
  }
}

resource webhookSecretsSecret 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = {
  parent: vault
  name: 'webhook-secrets'
  properties: {
    value: webhookSecrets
  }
}

resource hubTokenSecret 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = if (!empty(hubToken)) {
  parent: vault
  name: 'hub-token'
  properties: {
    value: hubToken
  }
}

output name string = vault.name
output apiKeysUri string = apiKeysSecret.properties.secretUri
output webhookSecretsUri string = webhookSecretsSecret.properties.secretUri
// whether there is one, not what it is
#disable-next-line outputs-should-not-contain-secrets
output hubTokenUri string = empty(hubToken) ? '' : '${vault.properties.vaultUri}secrets/hub-token'
