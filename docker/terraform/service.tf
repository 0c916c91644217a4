locals {
  region      = split(":", aws_cloudwatch_log_group.this.arn)[3]
  cluster_arn = var.cluster_arn == null ? aws_ecs_cluster.this[0].arn : var.cluster_arn
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_ecs_cluster" "this" {
  count = var.cluster_arn == null ? 1 : 0

  name = var.name
  tags = var.tags
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode([local.container])
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  dynamic "volume" {
    for_each = aws_efs_access_point.state

    content {
      name = "state"

      efs_volume_configuration {
        file_system_id     = volume.value.file_system_id
        transit_encryption = "ENABLED"

        authorization_config {
          access_point_id = volume.value.id
          iam             = "ENABLED"
        }
      }
    }
  }

  # A task that starts reads the secrets.
  depends_on = [aws_secretsmanager_secret_version.password]
}

# One task: two would each see half of the batches.  Without a state the next one takes over before this one stops, so no batch waits.
# With a state this one stops first, and the next one reads what it has written.
resource "aws_ecs_service" "this" {
  name                              = var.name
  cluster                           = local.cluster_arn
  task_definition                   = aws_ecs_task_definition.this.arn
  launch_type                       = "FARGATE"
  desired_count                     = 1
  availability_zone_rebalancing     = "DISABLED"
  health_check_grace_period_seconds = 30
  propagate_tags                    = "SERVICE"
  tags                              = var.tags

  deployment_minimum_healthy_percent = var.keep_state ? 0 : 100
  deployment_maximum_percent         = var.keep_state ? 100 : 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = var.private_subnet_ids
    security_groups = [aws_security_group.task.id]
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = local.container.name
    container_port   = local.drain_port
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.this

    content {
      registry_arn = service_registries.value.arn
    }
  }

  # A target group can be used once a listener leads to it.
  depends_on = [aws_lb_listener.https, aws_efs_mount_target.state]
}

resource "aws_service_discovery_service" "this" {
  count = var.discovery_namespace == null ? 0 : 1

  name = var.name
  tags = var.tags

  dns_config {
    namespace_id = var.discovery_namespace.id

    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}
