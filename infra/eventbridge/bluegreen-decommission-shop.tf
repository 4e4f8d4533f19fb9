# Starts a task of ECS every quarter of an hour that asks whether blue may be taken down.
# The task's container holds bluegreen, pg_dump and the playbook; its definition names
# the secrets. A start that is missed is made up for by the next.
variable "cluster_arn" {
  type = string
}

variable "task_definition_arn" {
  description = "Without its revision: the newest one is started."
  type        = string
}

variable "container_name" {
  type    = string
  default = "bluegreen"
}

variable "task_role_arns" {
  description = "The execution role and the task role of that definition."
  type        = list(string)
}

variable "subnets" {
  type = list(string)
}

variable "security_groups" {
  type = list(string)
}

data "aws_iam_policy_document" "bluegreen_decommission_shop_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
  }
}

# What the scheduler may do: start this task, and hand it its own roles.
data "aws_iam_policy_document" "bluegreen_decommission_shop" {
  statement {
    actions   = ["ecs:RunTask"]
    resources = ["${var.task_definition_arn}:*", var.task_definition_arn]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [var.cluster_arn]
    }
  }

  statement {
    actions   = ["iam:PassRole"]
    resources = var.task_role_arns

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "bluegreen_decommission_shop" {
  name               = "bluegreen-decommission-shop"
  assume_role_policy = data.aws_iam_policy_document.bluegreen_decommission_shop_assume.json
}

resource "aws_iam_role_policy" "bluegreen_decommission_shop" {
  name   = "start-the-task"
  role   = aws_iam_role.bluegreen_decommission_shop.id
  policy = data.aws_iam_policy_document.bluegreen_decommission_shop.json
}

resource "aws_scheduler_schedule" "bluegreen_decommission_shop" {
  name                = "bluegreen-decommission-shop"
  schedule_expression = "rate(15 minutes)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.cluster_arn
    role_arn = aws_iam_role.bluegreen_decommission_shop.arn

    input = jsonencode({
      containerOverrides = [{
        name    = var.container_name
        command = ["decommission", "--if-due", "/etc/bluegreen/shop.yml"]
      }]
    })

    ecs_parameters {
      task_definition_arn = var.task_definition_arn
      launch_type         = "FARGATE"

      network_configuration {
        subnets         = var.subnets
        security_groups = var.security_groups
      }
    }

    # The next quarter of an hour is the retry.
    retry_policy {
      maximum_retry_attempts = 0
    }
  }
}
