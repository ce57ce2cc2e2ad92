//! Completions of the commands and their options for shells: `mqadmin --completions bash`.

use super::commands::{COMMANDS, Command};
use super::options;

/// The shells that have any.
pub const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// A script for one of the shells.
pub fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(zsh()),
        "fish" => Some(fish()),
        _ => None,
    }
}

fn names() -> String {
    COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(" ")
}

/// A command's options, and ours of all commands.
fn words(command: &Command) -> String {
    let own =
        options::all(command.options).into_iter().map(|it| format!("-{} --{}", it.short, it.long.trim()));
    own.chain(options::OURS.iter().map(|(name, _)| (*name).to_owned())).collect::<Vec<_>>().join(" ")
}

/// Also for `rocketmq admin`, whose command stands one word further on.
fn bash() -> String {
    let cases = COMMANDS.iter().map(|it| format!("        {}) words=\"{}\" ;;\n", it.name, words(it)));
    format!(
        "# mqadmin --completions bash > /etc/bash_completion.d/mqadmin\n\
         _mqadmin() {{\n    \
             local at=1 words=\"\"\n    \
             [ \"${{COMP_WORDS[1]}}\" = admin ] && at=2\n    \
             if [ \"${{1##*/}}\" = rocketmq ] && [ \"$at\" = 1 ]; then\n        return\n    fi\n    \
             if [ \"$COMP_CWORD\" -le \"$at\" ]; then\n        \
                 words=\"help {}\"\n    \
             else\n        \
                 case ${{COMP_WORDS[$at]}} in\n        \
                 help) words=\"{}\" ;;\n{}        \
                 esac\n    \
             fi\n    \
             COMPREPLY=($(compgen -W \"$words\" -- \"${{COMP_WORDS[$COMP_CWORD]}}\"))\n\
         }}\n\
         complete -o default -F _mqadmin mqadmin rocketmq\n",
        names(),
        names(),
        cases.collect::<String>()
    )
}

fn zsh() -> String {
    format!("#compdef mqadmin rocketmq\nautoload -U +X bashcompinit && bashcompinit\n{}", bash())
}

fn fish() -> String {
    let mut script = "# mqadmin --completions fish > ~/.config/fish/completions/mqadmin.fish\n".to_owned();
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    for command in COMMANDS {
        script += &format!(
            "complete -c mqadmin -f -n __fish_use_subcommand -a {} -d '{}'\n",
            command.name,
            quoted(command.about)
        );
        for option in options::all(command.options) {
            let value = if option.has_value { " -r" } else { "" };
            script += &format!(
                "complete -c mqadmin -n '__fish_seen_subcommand_from {}' -s {} -l {}{value} -d '{}'\n",
                command.name,
                option.short,
                option.long.trim().replace(' ', "-"),
                quoted(option.about)
            );
        }
    }
    for (name, about) in options::OURS {
        script +=
            &format!("complete -c mqadmin -l {} -d '{}'\n", name.trim_start_matches('-'), quoted(about));
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_hears_of_each_command() {
        for shell in SHELLS {
            let script = script(shell).unwrap();
            for command in COMMANDS {
                assert!(script.contains(command.name), "{shell}: {}", command.name);
            }
            assert!(script.contains("json"), "{shell}");
        }
        assert_eq!(script("tcsh"), None);
    }

    #[test]
    fn options_are_completed() {
        let command = COMMANDS.iter().find(|it| it.name == "deleteTopic").unwrap();
        assert!(words(command).contains("-t --topic"));
        assert!(words(command).contains("--yes"));
    }
}
