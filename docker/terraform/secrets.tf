# Passwords are made here and go to Secrets Manager; Terraform's state and plans never hold them.

locals {
  users = toset(["drain", "metrics"])
}

ephemeral "aws_secretsmanager_random_password" "this" {
  for_each = local.users

  password_length     = 40
  exclude_punctuation = true # Logplex sends the password as it stands in the URL
  include_space       = false
}

resource "aws_secretsmanager_secret" "password" {
  for_each = local.users

  name_prefix = "${var.name}/password-${each.key}-"
  description = "PASSWORD_${upper(each.key)} of drain_exporter"
  tags        = var.tags
}

resource "aws_secretsmanager_secret_version" "password" {
  for_each = local.users

  secret_id                = aws_secretsmanager_secret.password[each.key].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  secret_string_wo_version = var.password_versions[each.key]
}
