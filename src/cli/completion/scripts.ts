/**
 * The shells' side of completion. Each hands the words typed so far to `wharf __complete`, which answers one
 * candidate a line (`value<TAB>description`) and last a line `:files`, `:nospace` or `:`.
 */

/** For bash, with or without the bash-completion package. Colons in image names are glued back into words. */
export const BASH = `# bash completion for wharf. Load it with: source <(wharf completion bash)
__wharf_complete() {
  local line="\${COMP_LINE:0:COMP_POINT}" cur words=() directive out value
  # bash splits words at colons and equal signs; we want them whole.
  local i word="" glued=() n=\${#COMP_WORDS[@]} previous=""
  for ((i = 0; i <= COMP_CWORD && i < n; i++)); do
    word="\${COMP_WORDS[i]}"
    if [[ \${#glued[@]} -gt 0 && ( "$word" == [:=]* || "$previous" == *[:=] ) && "$line" != *" " ]] ||
       [[ \${#glued[@]} -gt 0 && "$word" == [:=]* ]]; then
      glued[\${#glued[@]}-1]+="$word"
    else
      glued+=("$word")
    fi
    previous="$word"
  done
  cur="\${glued[\${#glued[@]}-1]}"
  mapfile -t words < <("\${COMP_WORDS[0]}" __complete "\${glued[@]:1}" 2>/dev/null)
  directive="\${words[\${#words[@]}-1]}"
  unset 'words[\${#words[@]}-1]'
  COMPREPLY=()
  local prefix=""
  if [[ "$cur" == *[:=]* && "$COMP_WORDBREAKS" == *:* ]]; then prefix="\${cur%"\${cur##*[:=]}"}"; fi
  for out in "\${words[@]}"; do
    value="\${out%%$'\\t'*}"
    COMPREPLY+=("\${value#"$prefix"}")
  done
  if [[ "$directive" == :files ]]; then
    while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "\${cur#"$prefix"}")
    compopt -o filenames 2>/dev/null
  fi
  if [[ "$directive" == :nospace ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F __wharf_complete wharf
`;

/** For zsh. */
export const ZSH = `#compdef wharf
# zsh completion for wharf. Load it with: source <(wharf completion zsh)
_wharf() {
  local -a lines candidates
  local directive line value description
  lines=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  directive="\${lines[-1]}"
  lines[-1]=()
  for line in "\${lines[@]}"; do
    value="\${line%%$'\\t'*}"
    description=""
    [[ "$line" == *$'\\t'* ]] && description="\${line#*$'\\t'}"
    candidates+=("\${value//:/\\\\:}\${description:+:$description}")
  done
  if [[ "$directive" == :nospace ]]; then
    _describe -V wharf candidates -S ''
  elif (( \${#candidates} )); then
    _describe -V wharf candidates
  fi
  [[ "$directive" == :files ]] && _files
}
if [[ "$funcstack[1]" == "_wharf" ]]; then _wharf "$@"; else compdef _wharf wharf; fi
`;

/** For fish. */
export const FISH = `# fish completion for wharf. Load it with: wharf completion fish | source
function __wharf_complete
    set -l tokens (commandline -opc) (commandline -ct)
    set -l lines ($tokens[1] __complete $tokens[2..-1] 2>/dev/null)
    test (count $lines) -gt 0; or return
    if test (count $lines) -gt 1
        printf '%s\\n' $lines[1..-2]
    end
    if test "$lines[-1]" = :files
        __fish_complete_path (commandline -ct)
    end
end
complete -c wharf -f -a '(__wharf_complete)'
`;
