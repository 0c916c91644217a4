# EFS for STATE_FILE, if keep_state says so.

locals {
  state_count = var.keep_state ? 1 : 0
}

resource "aws_efs_file_system" "state" {
  count = local.state_count

  encrypted = true
  tags      = merge(var.tags, { Name = "${var.name}-state" })
}

resource "aws_efs_access_point" "state" {
  count = local.state_count

  file_system_id = aws_efs_file_system.state[0].id
  tags           = var.tags

  # The user of the image.
  posix_user {
    uid = 65534
    gid = 65534
  }

  root_directory {
    path = "/drain_exporter"

    creation_info {
      owner_uid   = 65534
      owner_gid   = 65534
      permissions = "0700"
    }
  }
}

resource "aws_efs_mount_target" "state" {
  count = var.keep_state ? length(var.private_subnet_ids) : 0

  file_system_id  = aws_efs_file_system.state[0].id
  subnet_id       = var.private_subnet_ids[count.index]
  security_groups = [aws_security_group.state[0].id]
}

resource "aws_security_group" "state" {
  count = local.state_count

  name_prefix = "${var.name}-state-"
  description = "State of drain_exporter"
  vpc_id      = var.vpc_id
  tags        = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "state" {
  count = local.state_count

  security_group_id            = aws_security_group.state[0].id
  description                  = "NFS"
  referenced_security_group_id = aws_security_group.task.id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}

resource "aws_vpc_security_group_egress_rule" "task_to_state" {
  count = local.state_count

  security_group_id            = aws_security_group.task.id
  description                  = "NFS"
  referenced_security_group_id = aws_security_group.state[0].id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}

data "aws_iam_policy_document" "state" {
  count = local.state_count

  statement {
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.state[0].arn]

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.state[0].arn]
    }
  }
}

resource "aws_iam_role_policy" "state" {
  count = local.state_count

  name   = "state"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.state[0].json
}
