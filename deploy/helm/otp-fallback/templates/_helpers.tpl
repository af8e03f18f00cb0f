{{- define "otp.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "otp.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "otp.labels" -}}
{{ include "otp.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* A pod of either kind. Takes: root, component (web or worker), of (its values), port. */}}
{{- define "otp.pod" -}}
{{- $ := .root -}}
metadata:
  labels:
    {{- include "otp.labels" $ | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  {{- with $.Values.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "otp.name" $ }}
  automountServiceAccountToken: false
  enableServiceLinks: false # they would be variables such as OTP_FALLBACK_PORT
  {{- with $.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  terminationGracePeriodSeconds: {{ add $.Values.drainSeconds 20 }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "otp.selector" $ | nindent 10 }}
          app.kubernetes.io/component: {{ .component }}
  containers:
    - name: {{ .component }}
      image: {{ $.Values.image.repository }}
      {{- if $.Values.image.digest }}@{{ $.Values.image.digest }}
      {{- else }}:{{ $.Values.image.tag | default $.Chart.AppVersion }}
      {{- end }}
      imagePullPolicy: {{ $.Values.image.pullPolicy }}
      args: [{{ .component }}]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      ports:
        - {name: http, containerPort: {{ .port }}}
      env:
        - {name: OTP_ENV, value: production}
        - {name: OTP_MASTER_KEYS_FILE, value: /run/keys/master-keys}
        {{- if eq .component "web" }}
        - {name: OTP_PORT, value: {{ .port | quote }}}
        - {name: OTP_WORKERS, value: {{ .of.processes | quote }}}
        {{- else }}
        - {name: OTP_WORKER_PORT, value: {{ .port | quote }}}
        {{- end }}
        {{- range $name, $value := $.Values.settings }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
      envFrom:
        - secretRef: {name: {{ $.Values.existingSecret }}}
      # A first start of a new version may bring the state up.
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      # Redis away is no reason to be started again.
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      {{- if and (eq .component "web") $.Values.drainSeconds }}
      lifecycle:
        preStop:
          exec: {command: [sleep, {{ $.Values.drainSeconds | quote }}]}
      {{- end }}
      resources: {{- toYaml .of.resources | nindent 8 }}
      volumeMounts:
        - {name: data, mountPath: /data}
        - {name: tmp, mountPath: /tmp}
        - {name: keys, mountPath: /run/keys, readOnly: true}
  volumes:
    - {name: data, emptyDir: {sizeLimit: 256Mi}}
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    - name: keys
      secret:
        secretName: {{ $.Values.masterKeys.existingSecret }}
        defaultMode: 0440
        items:
          - {key: {{ $.Values.masterKeys.key }}, path: master-keys}
  {{- with $.Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $.Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
