//! Turns the rows of `rows.rs` and `misreports.rs` into code.
//!
//! One row becomes a variant of `Rule` whose documentation is the quotation, an arm of the
//! `match` that decides, and `Rule::covers`, the row read alone. The arms of one table make
//! one `match`, so the compiler refuses a gap and, with `unreachable_patterns` denied, a
//! row that others make dead.

macro_rules! rows {
    (
        { $( $misreport_rule:ident {
            $readers:ident $status:literal $matcher:ident $text:literal
            $source:literal
        } )+ }
        exchanges {
            $( $rule:ident {
                $revision:literal $url:literal
                $quote:literal
                $summary:literal
                $( $pattern:pat => $action:ident; )+
            } )+
        }
        misreports as $misreport:ident {
            $misreport_revision:literal $misreport_url:literal
            $misreport_quote:literal
            $caller_rule:ident { $caller_summary:literal }
            $( $misreport_pattern:pat => $misreport_action:ident; )+
        }
        admissions {
            $( $admission_rule:ident {
                $admission_revision:literal $admission_url:literal
                $admission_quote:literal
                $admission_summary:literal
                $( $admission_pattern:pat => $admission_action:ident; )+
            } )+
        }
    ) => {
        /// A row of the tables, by name. Its documentation is the sentence it rests on.
        ///
        /// Non-exhaustive: a further row need not concern those who act on [`Action`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {
            $(
                #[doc = $summary]
                #[doc = ""]
                #[doc = concat!("> ", $quote, "\n>\n> <", $url, ">")]
                $rule,
            )+
            $(
                #[doc = concat!("A terminated session, misreported as ", $status, " \"", $text,
                    "\" by ", $source, ".")]
                #[doc = ""]
                #[doc = concat!("> ", $misreport_quote, "\n>\n> <", $misreport_url, ">")]
                $misreport_rule,
            )+
            #[doc = $caller_summary]
            #[doc = ""]
            #[doc = concat!("> ", $misreport_quote, "\n>\n> <", $misreport_url, ">")]
            $caller_rule,
            $(
                #[doc = $admission_summary]
                #[doc = ""]
                #[doc = concat!("> ", $admission_quote, "\n>\n> <", $admission_url, ">")]
                $admission_rule,
            )+
        }

        impl Rule {
            /// Every row: client, server, misreports, admission, in the order of the file.
            pub const ALL: &'static [Self] = &[
                $( Self::$rule, )+
                $( Self::$misreport_rule, )+
                Self::$caller_rule,
                $( Self::$admission_rule, )+
            ];

            /// The name of the row, as the variant is spelled.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$rule => stringify!($rule), )+
                    $( Self::$misreport_rule => stringify!($misreport_rule), )+
                    Self::$caller_rule => stringify!($caller_rule),
                    $( Self::$admission_rule => stringify!($admission_rule), )+
                }
            }

            /// What the row says, in one sentence.
            pub const fn summary(self) -> &'static str {
                match self {
                    $( Self::$rule => $summary, )+
                    $( Self::$misreport_rule => concat!(
                        "A terminated session, misreported as ", $status, " \"", $text, "\" by ",
                        $source, "."
                    ), )+
                    Self::$caller_rule => $caller_summary,
                    $( Self::$admission_rule => $admission_summary, )+
                }
            }

            /// The sentence of the specification that the row rests on.
            pub const fn quote(self) -> &'static str {
                match self {
                    $( Self::$rule => $quote, )+
                    $( Self::$misreport_rule => $misreport_quote, )+
                    Self::$caller_rule => $misreport_quote,
                    $( Self::$admission_rule => $admission_quote, )+
                }
            }

            /// Where that sentence stands.
            pub const fn url(self) -> &'static str {
                match self {
                    $( Self::$rule => $url, )+
                    $( Self::$misreport_rule => $misreport_url, )+
                    Self::$caller_rule => $misreport_url,
                    $( Self::$admission_rule => $admission_url, )+
                }
            }

            /// The revision of the specification that the sentence is quoted from.
            pub const fn revision(self) -> &'static str {
                match self {
                    $( Self::$rule => $revision, )+
                    $( Self::$misreport_rule => $misreport_revision, )+
                    Self::$caller_rule => $misreport_revision,
                    $( Self::$admission_rule => $admission_revision, )+
                }
            }

            /// For a misreport, where it was seen.
            pub const fn source(self) -> Option<&'static str> {
                match self {
                    $( Self::$rule => None, )+
                    $( Self::$misreport_rule => Some($source), )+
                    Self::$caller_rule => None,
                    $( Self::$admission_rule => None, )+
                }
            }

            /// Whether some arm of the row puts another answer in the place of the one looked at.
            const fn replaces_answer(self) -> bool {
                const MISREPORT: bool = false $( || Action::$misreport_action.is_response() )+;
                match self {
                    $( Self::$rule => false $( || Action::$action.is_response() )+, )+
                    $( Self::$misreport_rule => MISREPORT, )+
                    Self::$caller_rule => MISREPORT,
                    $( Self::$admission_rule => false, )+
                }
            }

            /// Whether this row, read alone, is about the exchange.
            ///
            /// Exactly one row covers each exchange; the tests exhaust them.
            #[doc(hidden)]
            pub fn covers(self, columns: &Columns) -> bool {
                let misreported = match columns.all() {
                    $( $misreport_pattern => Some($misreport.rule()), )+
                    _ => None,
                };
                match self {
                    $( Self::$rule => matches!(columns.all(), $( $pattern )|+), )+
                    $( Self::$misreport_rule => misreported == Some(self), )+
                    Self::$caller_rule => misreported == Some(self),
                    $( Self::$admission_rule => false, )+
                }
            }

            /// Whether this row, read alone, is about the admission.
            #[doc(hidden)]
            pub fn covers_admission(self, admission: &Admission) -> bool {
                match self {
                    $( Self::$rule => false, )+
                    $( Self::$misreport_rule => false, )+
                    Self::$caller_rule => false,
                    $( Self::$admission_rule =>
                        matches!(admission.all(), $( $admission_pattern )|+), )+
                }
            }
        }

        impl Misreport {
            /// The row that names it.
            pub const fn rule(self) -> Rule {
                match self {
                    $( Self::$misreport_rule => Rule::$misreport_rule, )+
                    Self::$caller_rule => Rule::$caller_rule,
                }
            }
        }

        #[deny(unreachable_patterns)]
        #[inline(always)]
        pub(super) fn decide(columns: &Columns) -> (Rule, Action) {
            match columns.all() {
                $( $( $pattern => (Rule::$rule, Action::$action), )+ )+
                $( $misreport_pattern => ($misreport.rule(), Action::$misreport_action), )+
            }
        }

        #[deny(unreachable_patterns)]
        pub(super) fn decide_admission(admission: &Admission) -> (Rule, Action) {
            match admission.all() {
                $( $(
                    $admission_pattern => (Rule::$admission_rule, Action::$admission_action),
                )+ )+
            }
        }
    };
}
