#!/bin/sh
# alerts.yml as the Prometheus operator takes it, for a cluster; `make rules` keeps it in deploy/kubernetes.
set -eu
cat <<HEAD
# Made from deploy/monitoring/alerts.yml by \`make rules\`: change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: catalog
  labels:
    app.kubernetes.io/part-of: rakuten-catalog
spec:
HEAD
sed -e '/^#/d' -e 's/^./  &/' "$(dirname "$0")/alerts.yml" | sed '1{/^$/d}'
