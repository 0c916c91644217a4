locals {
  drain_port   = 80 # of the image
  metrics_port = 8081
  state_folder = "/state"

  environment = merge(var.settings, {
    METRICS_LISTEN_ADDRESS = "0.0.0.0:${local.metrics_port}" # so the balancer's port serves /drain and /health only
    TRUSTED_PROXIES        = join(",", data.aws_subnet.public[*].cidr_block)
    SCRAPE_INTERVAL        = var.scrape_interval
    }, var.keep_state ? {
    STATE_FILE = "${local.state_folder}/"
  } : {})

  # Of a secret's ARN, what stands behind it says which version.
  passwords = { for user, secret in aws_secretsmanager_secret.password : "PASSWORD_${upper(user)}" => secret.arn }
  previous  = { for user in var.accept_previous : "PASSWORD_${upper(user)}_PREVIOUS" => "${aws_secretsmanager_secret.password[user].arn}::AWSPREVIOUS:" }
  yours = { for setting, arn in {
    CONFIG         = var.config_secret_arn
    CANARY_URL     = var.canary_url_secret_arn
    WARM_START_URL = var.warm_start_url_secret_arn
  } : setting => arn if arn != null }
  secrets = merge(local.passwords, local.previous, local.yours)

  container = {
    name                   = "drain_exporter"
    image                  = var.image
    essential              = true
    user                   = "65534:65534"
    readonlyRootFilesystem = true
    stopTimeout            = 20 # it finishes what is in flight within 15
    portMappings           = [for port in [local.drain_port, local.metrics_port] : { containerPort = port, hostPort = port, protocol = "tcp" }]
    environment            = [for name, value in local.environment : { name = name, value = value }]
    secrets                = [for name, arn in local.secrets : { name = name, valueFrom = arn }]
    mountPoints            = var.keep_state ? [{ sourceVolume = "state", containerPath = local.state_folder, readOnly = false }] : []
    volumesFrom            = []
    systemControls         = []

    # A secret is read when a task starts: a new version makes a new task.
    dockerLabels = { for user, version in var.password_versions : "password-${user}" => tostring(version) }

    healthCheck = {
      command     = ["CMD", "/drain_exporter", "--health-check"]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 5
    }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "drain_exporter"
      }
    }
  }
}
