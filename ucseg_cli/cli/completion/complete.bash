_ucseg_completion() {
    local found
    COMPREPLY=()
    while IFS= read -r found; do
        # a file's name may hold $(…): what bash would read is quoted
        if [[ $found == *[!A-Za-z0-9_+=,.:/@%-]* ]]; then
            printf -v found %q "$found"
        fi
        COMPREPLY+=("$found")
    done < <(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" _UCSEG_COMPLETE=complete_bash "$1")
}

complete -o default -F _ucseg_completion ucseg
