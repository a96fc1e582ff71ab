#compdef ucseg

_ucseg_completion() {
    local line value
    local -a unfinished whole described
    while IFS= read -r line; do
        value="${line%%$'\t'*}"
        if [[ "$value" == *[:/=] ]]; then
            unfinished+=("$value")
        else
            whole+=("$value")
            described+=("${line/$'\t'/  }")
        fi
    done < <(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _UCSEG_COMPLETE=complete_zsh ucseg)
    if (( ! ${#unfinished} && ! ${#whole} )); then
        _files
        return
    fi
    # compadd takes each as it is and quotes it; nothing is evaluated
    (( ${#unfinished} )) && compadd -S '' -a unfinished
    (( ${#whole} )) && compadd -l -d described -a whole
}

compdef _ucseg_completion ucseg
