# Completion of paidan for bash: its commands, as its own help lists them.
_paidan() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local commands
    case $previous in
    --server) COMPREPLY=($(compgen -W "unix: tcp:127.0.0.1:" -- "$current")); return ;;
    import) COMPREPLY=($(compgen -W "orgs orders records" -- "$current")); return ;;
    export) COMPREPLY=($(compgen -W "orgs orders records summary public events all" -- "$current")); return ;;
    orgs | orders | records | summary | events | all) COMPREPLY=($(compgen -f -- "$current")); return ;;
    order) commands=$(paidan --help | awk '$1 == "order" {print $2}') ;;
    org) commands=$(paidan --help | awk '$1 == "org" {print $2}') ;;
    *) commands="--server --json --help --version $(paidan --help | awk '/^  [a-z]/ {print $1}' | sort -u)" ;;
    esac
    COMPREPLY=($(compgen -W "$commands" -- "$current"))
}
complete -F _paidan paidan
