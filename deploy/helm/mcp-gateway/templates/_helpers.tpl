{{/* Name of the chart, for labels. */}}
{{- define "mcp-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Prefix of all names; short enough for a suffix and the ordinal of a pod. */}}
{{- define "mcp-gateway.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "mcp-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "mcp-gateway.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "mcp-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mcp-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mcp-gateway.labels" -}}
{{ include "mcp-gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "mcp-gateway.image" -}}
{{- $repository := required "set image.repository to your image of the gateway (deploy/Dockerfile, target production)" .Values.image.repository }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The text of a setting. JSON writes large numbers without an exponent. */}}
{{- define "mcp-gateway.settingText" -}}
{{- if kindIs "slice" . }}{{ join "," . }}{{ else if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{/* The keys of the Secret that a role gets, by setting. */}}
{{- define "mcp-gateway.secretKeys" -}}
{{- $keys := dict }}
{{- range $setting, $key := .root.Values.secrets.keys }}
{{- if and $key (or (eq $.role "admin") (has $setting (list "redis_url" "key_pepper" "upstream_url" "upstream_authorization"))) }}
{{- $_ := set $keys $setting $key }}
{{- end }}
{{- end }}
{{- toJson $keys }}
{{- end }}

{{/* Environment of a role: settings, paths of secrets, and what the chart decides. */}}
{{- define "mcp-gateway.env" -}}
{{- $values := .root.Values }}
{{- if not $values.secrets.keys.upstream_url }}
{{- $_ := required "set settings.upstream_url to the URL of the MCP endpoint of your server" $values.settings.upstream_url }}
{{- end }}
{{- $settings := dict "host" "0.0.0.0" "metrics_host" "0.0.0.0" }}
{{- range $name, $value := $values.settings }}
{{- if not (or (kindIs "invalid" $value) (and (kindIs "string" $value) (eq $value "") (ne $name "public_methods"))) }}
{{- $_ := set $settings $name (include "mcp-gateway.settingText" $value) }}
{{- end }}
{{- end }}
{{- range $setting, $key := include "mcp-gateway.secretKeys" . | fromJson }}
{{- $_ := set $settings (printf "%s_file" $setting) (printf "/etc/mcp-gateway/secrets/%s" $setting) }}
{{- end }}
{{- if $values.meteringRules }}
{{- $_ := set $settings "metering_rules" "/etc/mcp-gateway/rules/rules.toml" }}
{{- end }}
{{- if $values.tls.secretName }}
{{- $_ := set $settings "tls_cert" "/etc/mcp-gateway/tls/tls.crt" }}
{{- $_ := set $settings "tls_key" "/etc/mcp-gateway/tls/tls.key" }}
{{- end }}
{{- range $name, $value := $settings }}
- name: {{ printf "GATEWAY_%s" (upper $name) }}
  value: {{ $value | quote }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "mcp-gateway.volumeMounts" -}}
- name: data
  mountPath: /var/lib/mcp-gateway
- name: tmp
  mountPath: /tmp
- name: secrets
  mountPath: /etc/mcp-gateway/secrets
  readOnly: true
{{- if .Values.meteringRules }}
- name: rules
  mountPath: /etc/mcp-gateway/rules
  readOnly: true
{{- end }}
{{- if .Values.tls.secretName }}
- name: tls
  mountPath: /etc/mcp-gateway/tls
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Volumes of a role, except for its data folder. */}}
{{- define "mcp-gateway.volumes" -}}
{{- $values := .root.Values }}
- name: tmp
  emptyDir: {}
- name: secrets
  secret:
    secretName: {{ required "set secrets.name to a Secret with the URLs of Redis and ClickHouse and the other secrets" $values.secrets.name }}
    defaultMode: 0440
    items:
      {{- range $setting, $key := include "mcp-gateway.secretKeys" . | fromJson }}
      - key: {{ $key }}
        path: {{ $setting }}
      {{- end }}
{{- if $values.meteringRules }}
- name: rules
  configMap:
    name: {{ include "mcp-gateway.fullname" .root }}-rules
{{- end }}
{{- if $values.tls.secretName }}
- name: tls
  secret:
    secretName: {{ $values.tls.secretName }}
    defaultMode: 0440
{{- end }}
{{- with $values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Metadata of the pods of a role. */}}
{{- define "mcp-gateway.podMetadata" -}}
{{- $values := index .root.Values .role }}
labels:
  {{- include "mcp-gateway.selectorLabels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .role }}
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := deepCopy $values.podAnnotations }}
{{- if .root.Values.meteringRules }}
{{- $_ := set $annotations "checksum/rules" (sha256sum .root.Values.meteringRules) }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The pod spec of a role. No service links: their variables would look like settings. */}}
{{- define "mcp-gateway.podSpec" -}}
{{- $values := index .root.Values .role }}
serviceAccountName: {{ include "mcp-gateway.serviceAccountName" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "mcp-gateway.selectorLabels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
# 5 s of preStop, the drain, 5 s until a worker is killed, and 10 s to spare.
terminationGracePeriodSeconds: {{ add (int (default 25 .root.Values.settings.drain_timeout)) 20 }}
{{- end }}

{{/* The container of a role. Its port serves the probes, too. */}}
{{- define "mcp-gateway.container" -}}
{{- $values := index .root.Values .role }}
{{- $scheme := ternary "HTTPS" "HTTP" (ne .root.Values.tls.secretName "") }}
name: {{ .role }}
image: {{ include "mcp-gateway.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [{{ .role }}]
env:
  {{- include "mcp-gateway.env" . | trim | nindent 2 }}
ports:
  - name: {{ .role }}
    containerPort: {{ .port }}
  - name: metrics
    containerPort: 8003
# The command waits for its engines for GATEWAY_START_TIMEOUT (30 s); the admin process may migrate tables for an hour.
startupProbe:
  httpGet: {path: /healthz, port: {{ .role }}, scheme: {{ $scheme }}}
  periodSeconds: 2
  failureThreshold: {{ ternary 1800 60 (eq .role "admin") }}
livenessProbe:
  httpGet: {path: /healthz, port: {{ .role }}, scheme: {{ $scheme }}}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: {{ .role }}, scheme: {{ $scheme }}}
  periodSeconds: 5
  timeoutSeconds: 5
# Until no load balancer sends new connections to this pod.
lifecycle:
  preStop:
    exec:
      command: [sleep, "5"]
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
volumeMounts:
  {{- include "mcp-gateway.volumeMounts" .root | nindent 2 }}
{{- end }}
