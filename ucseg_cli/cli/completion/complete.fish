function __ucseg_completion
    env _UCSEG_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args _TYPER_COMPLETE_ARGS=(commandline -cp) ucseg
end

complete --command ucseg --no-files --arguments "(__ucseg_completion)" --condition "env _UCSEG_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=is-args _TYPER_COMPLETE_ARGS=(commandline -cp) ucseg"
