resource "aws_security_group" "balancer" {
  name_prefix = "${var.name}-balancer-"
  description = "Balancer of drain_exporter"
  vpc_id      = var.vpc_id
  tags        = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "drains" {
  count = length(var.drain_cidrs)

  security_group_id = aws_security_group.balancer.id
  description       = "drains, by TLS"
  cidr_ipv4         = var.drain_cidrs[count.index]
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "balancer_to_task" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "batches and health checks"
  referenced_security_group_id = aws_security_group.task.id
  ip_protocol                  = "tcp"
  from_port                    = local.drain_port
  to_port                      = local.drain_port
}

resource "aws_security_group" "task" {
  name_prefix = "${var.name}-task-"
  description = "drain_exporter"
  vpc_id      = var.vpc_id
  tags        = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  security_group_id            = aws_security_group.task.id
  description                  = "batches and health checks"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.drain_port
  to_port                      = local.drain_port
}

locals {
  warm_start_count = var.warm_start_url_secret_arn == null ? 0 : 1

  scrapers = concat(
    [for group in var.metrics_security_group_ids : { group = group, addresses = null }],
    [for addresses in var.metrics_cidrs : { group = null, addresses = addresses }],
  )
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  count = length(local.scrapers)

  security_group_id            = aws_security_group.task.id
  description                  = "scrapes"
  referenced_security_group_id = local.scrapers[count.index].group
  cidr_ipv4                    = local.scrapers[count.index].addresses
  ip_protocol                  = "tcp"
  from_port                    = local.metrics_port
  to_port                      = local.metrics_port
}

# A new task asks the old one for its state.
resource "aws_vpc_security_group_ingress_rule" "warm_start" {
  count = local.warm_start_count

  security_group_id            = aws_security_group.task.id
  description                  = "the state, for the next task"
  referenced_security_group_id = aws_security_group.task.id
  ip_protocol                  = "tcp"
  from_port                    = local.metrics_port
  to_port                      = local.metrics_port
}

resource "aws_vpc_security_group_egress_rule" "warm_start" {
  count = local.warm_start_count

  security_group_id            = aws_security_group.task.id
  description                  = "the state of the last task"
  referenced_security_group_id = aws_security_group.task.id
  ip_protocol                  = "tcp"
  from_port                    = local.metrics_port
  to_port                      = local.metrics_port
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.task.id
  description       = "the image, secrets, logs, the canary"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
