# ---- where, and under which name ----

variable "name" {
  description = "Begins the names of all that is made."
  type        = string
  default     = "drain-exporter"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,23}$", var.name))
    error_message = "name: up to 24 small letters, digits and hyphens, a letter first."
  }
}

variable "domain_name" {
  description = "Host name in the URL of the drains, for which the certificate is."
  type        = string
}

variable "certificate_arn" {
  description = "Certificate of the balancer, in ACM."
  type        = string
}

variable "zone_id" {
  description = "Route 53 zone that gets a record for domain_name; without it, make one yourself that leads to the output balancer."
  type        = string
  default     = null
}

variable "vpc_id" {
  description = "VPC of all that is made."
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets of the balancer, in two availability zones at least. Their addresses become TRUSTED_PROXIES."
  type        = list(string)

  validation {
    condition     = length(var.public_subnet_ids) >= 2
    error_message = "public_subnet_ids: a balancer needs two subnets."
  }
}

variable "private_subnet_ids" {
  description = "Subnets of the task, in different availability zones, with a way to the image, Secrets Manager and CloudWatch Logs (a NAT gateway, or endpoints)."
  type        = list(string)
}

variable "cluster_arn" {
  description = "ECS cluster; without it one is made."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}

# ---- the program ----

variable "image" {
  description = "The image, such as ACCOUNT_ID.dkr.ecr.REGION.amazonaws.com/drain_exporter:VERSION."
  type        = string
}

variable "cpu_architecture" {
  description = "X86_64, or ARM64, which costs less; the image has to be for it (make image ARCH=arm64)."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture: X86_64 or ARM64."
  }
}

variable "cpu" {
  description = "Units of CPU; 1024 are one core."
  type        = number
  default     = 256
}

variable "memory" {
  description = "MiB of memory."
  type        = number
  default     = 512
}

variable "settings" {
  description = "Further settings, such as { MAX_SERIES = \"200000\" }; see docker/SETTINGS.md. No secrets."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !can(regex("^(PASSWORD_|TOKEN_|(CONFIG|CANARY_URL|WARM_START_URL)$)", name))])
    error_message = "settings: names of settings in capitals. Secrets do not belong here: passwords are made; config_secret_arn, canary_url_secret_arn and warm_start_url_secret_arn are for the others."
  }
}

variable "scrape_interval" {
  description = "scrape_interval of Prometheus' job, which has to be the same."
  type        = string
  default     = "60s"
}

variable "config_secret_arn" {
  description = "Secret of Secrets Manager that holds the YAML of CONFIG: drains with passwords of their own, rules."
  type        = string
  default     = null
}

variable "canary_url_secret_arn" {
  description = "Secret that holds CANARY_URL, our own drain with its password: it says whether the way from outside is open."
  type        = string
  default     = null
}

variable "warm_start_url_secret_arn" {
  description = "Secret that holds WARM_START_URL, with which a new task begins with what the old one knows."
  type        = string
  default     = null
}

variable "keep_state" {
  description = "Whether counters and gauges go on over a deployment (STATE_FILE, on EFS). The old task then stops before the new one starts."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "How long the program's own log is kept."
  type        = number
  default     = 30
}

# ---- who may connect ----

variable "drain_cidrs" {
  description = "Addresses that may reach the balancer. Heroku's log router has no fixed ones."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "metrics_security_group_ids" {
  description = "Security groups that may scrape, such as that of Prometheus."
  type        = list(string)
  default     = []
}

variable "metrics_cidrs" {
  description = "Addresses that may scrape, beside these groups."
  type        = list(string)
  default     = []
}

variable "discovery_namespace" {
  description = "Private DNS namespace of Cloud Map, in which the task gets a name for Prometheus."
  type        = object({ id = string, name = string })
  default     = null
}

# ---- passwords ----

variable "password_versions" {
  description = "Raise a number for a new password of drain or metrics."
  type = object({
    drain   = optional(number, 1)
    metrics = optional(number, 1)
  })
  default = {}
}

variable "accept_previous" {
  description = "Users whose previous password is valid too while it is rotated: drain, metrics."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for user in var.accept_previous : contains(["drain", "metrics"], user) && lookup(var.password_versions, user, 1) > 1])
    error_message = "accept_previous: drain or metrics, whose password_versions is over 1. There is no previous password before."
  }
}
