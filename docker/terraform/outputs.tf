output "drains_add" {
  description = "Gives an app its drain; put the password in, which is not here."
  value       = "heroku drains:add 'https://drain:PASSWORD_DRAIN@${var.domain_name}/drain?app_name=my-app' --app my-app"
}

output "add_drains" {
  description = "Gives all apps of a team their drains; the password is read from a file."
  value       = "docker/add-drains --to https://${var.domain_name}/drain --password-file drain.password --team my-team"
}

output "password_commands" {
  description = "Print the passwords."
  value = {
    for user, secret in aws_secretsmanager_secret.password :
    user => "aws secretsmanager get-secret-value --secret-id ${secret.arn} --query SecretString --output text"
  }
}

output "scrape_job" {
  description = "An entry of Prometheus' scrape_configs; null without discovery_namespace."
  value = var.discovery_namespace == null ? null : yamlencode({
    job_name        = "drain_exporter"
    scrape_interval = var.scrape_interval
    basic_auth      = { username = "metrics", password_file = "/run/secrets/password_metrics" }
    dns_sd_configs  = [{ names = ["${var.name}.${var.discovery_namespace.name}"], type = "A", port = local.metrics_port }]
  })
}

output "balancer" {
  description = "Where domain_name has to lead: the name and zone of the balancer."
  value       = { dns_name = aws_lb.this.dns_name, zone_id = aws_lb.this.zone_id }
}

output "task_security_group_id" {
  description = "Security group of the task."
  value       = aws_security_group.task.id
}

output "service" {
  description = "ECS cluster and service, and the group of its log."
  value       = { cluster = local.cluster_arn, name = aws_ecs_service.this.name, log_group = aws_cloudwatch_log_group.this.name }
}
