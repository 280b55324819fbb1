@description('Holds the images of the GPU app, and who pulls them.')
param name string
param identityName string
param location string
param tags object

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Basic'
  }
  properties: {
    adminUserEnabled: false
  }
}

// What the platform needs before the app exists: the image and its secrets. The app itself acts as its own identity.
resource starter 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: identityName
  location: location
  tags: tags
}

output name string = registry.name
output loginServer string = registry.properties.loginServer
output starterName string = starter.name
output starterPrincipalId string = starter.properties.principalId
