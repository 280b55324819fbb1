@description('Mails when something needs a person. docs/runbook.md says what each alert means.')
param prefix string
param location string
param tags object
param insightsId string
param mail string

// Each query counts what should not be there, with what sampling left out; api-silent counts what should.
var alerts = [
  {
    name: 'dead-letters'
    description: 'Messages failed too often and became dead letters: GET /v1/dead-letters says which.'
    severity: 2
    query: 'union (requests | where name endswith "_poison"), (traces | where message has "does not decode") | summarize found = sum(itemCount)'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT15M'
  }
  {
    name: 'failed-attempts'
    description: 'Ten attempts at jobs and more failed within an hour.'
    severity: 3
    query: 'traces | where message has "attempt" and message has "failed" and message startswith "job " | summarize found = sum(itemCount)'
    operator: 'GreaterThanOrEqual'
    threshold: 10
    window: 'PT1H'
  }
  {
    name: 'unclaimed-jobs'
    description: 'Jobs are sent again and again because no worker takes them: the GPU app does not come up, or not enough of it.'
    severity: 2
    query: 'traces | where message has "nobody held it, sent again" | summarize found = sum(itemCount)'
    operator: 'GreaterThanOrEqual'
    threshold: 10
    window: 'PT1H'
  }
  {
    name: 'api-silent'
    description: 'The timer that runs every minute has not run for a quarter of an hour: the HTTP app is down.'
    severity: 1
    query: 'requests | where name == "recover_jobs" | summarize found = count()'
    operator: 'LessThan'
    threshold: 1
    window: 'PT15M'
  }
  {
    name: 'api-errors'
    description: 'Five answers of the API and more were 5xx within a quarter of an hour.'
    severity: 2
    query: 'requests | where toint(resultCode) >= 500 | summarize found = sum(itemCount)'
    operator: 'GreaterThanOrEqual'
    threshold: 5
    window: 'PT15M'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${prefix}-people'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'stemworks'
    emailReceivers: [
      {
        name: 'mail'
        emailAddress: mail
        useCommonAlertSchema: true
      }
    ]
  }
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in alerts: {
  name: '${prefix}-${alert.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: alert.name
    description: alert.description
    severity: alert.severity
    enabled: true
    scopes: [insightsId]
    evaluationFrequency: 'PT15M'
    windowSize: alert.window
    criteria: {
      allOf: [
        {
          query: alert.query
          timeAggregation: 'Total'
          metricMeasureColumn: 'found'
          operator: alert.operator
          threshold: alert.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [people.id]
    }
    autoMitigate: true
  }
}]
