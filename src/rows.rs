//! Turns the rows of `table.rs` into code.
//!
//! One row becomes a variant of `Rule` whose documentation is the quotation, an arm of the
//! `match` that decides, and `Rule::covers`, the row read alone. The arms of one table make
//! one `match`, so the compiler refuses a gap and, with `unreachable_patterns` denied, a
//! row that others make dead.

macro_rules! rows {
    (
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
            { $( $misreport_rule:ident { $status:literal $text:literal $source:literal } )+ }
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
                $( Self::$admission_rule, )+
            ];

            /// The name of the row, as the variant is spelled.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$rule => stringify!($rule), )+
                    $( Self::$misreport_rule => stringify!($misreport_rule), )+
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
                    $( Self::$admission_rule => $admission_summary, )+
                }
            }

            /// The sentence of the specification that the row rests on.
            pub const fn quote(self) -> &'static str {
                match self {
                    $( Self::$rule => $quote, )+
                    $( Self::$misreport_rule => $misreport_quote, )+
                    $( Self::$admission_rule => $admission_quote, )+
                }
            }

            /// Where that sentence stands.
            pub const fn url(self) -> &'static str {
                match self {
                    $( Self::$rule => $url, )+
                    $( Self::$misreport_rule => $misreport_url, )+
                    $( Self::$admission_rule => $admission_url, )+
                }
            }

            /// The revision of the specification that the sentence is quoted from.
            pub const fn revision(self) -> &'static str {
                match self {
                    $( Self::$rule => $revision, )+
                    $( Self::$misreport_rule => $misreport_revision, )+
                    $( Self::$admission_rule => $admission_revision, )+
                }
            }

            /// For a misreport, where it was seen.
            pub const fn source(self) -> Option<&'static str> {
                match self {
                    $( Self::$rule => None, )+
                    $( Self::$misreport_rule => Some($source), )+
                    $( Self::$admission_rule => None, )+
                }
            }

            /// Whether this row, read alone, is about the exchange.
            ///
            /// Exactly one row covers each cell; the tests exhaust them.
            pub fn covers(self, cell: &Cell) -> bool {
                let misreported = match cell.columns() {
                    $( $misreport_pattern => Some($misreport.rule()), )+
                    _ => None,
                };
                match self {
                    $( Self::$rule => matches!(cell.columns(), $( $pattern )|+), )+
                    $( Self::$misreport_rule => misreported == Some(self), )+
                    $( Self::$admission_rule => false, )+
                }
            }

            /// Whether this row, read alone, is about the admission.
            pub fn covers_admission(self, admission: &Admission) -> bool {
                match self {
                    $( Self::$rule => false, )+
                    $( Self::$misreport_rule => false, )+
                    $( Self::$admission_rule =>
                        matches!(admission.columns(), $( $admission_pattern )|+), )+
                }
            }
        }

        /// A terminated session reported in other words than the specification's: the rows
        /// below `misreports`, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Misreport {
            $(
                #[doc = concat!("Status ", $status, ", \"", $text, "\".")]
                $misreport_rule,
            )+
        }

        impl Misreport {
            /// All of them.
            pub const ALL: &'static [Self] = &[ $( Self::$misreport_rule, )+ ];

            /// The row that names it.
            pub const fn rule(self) -> Rule {
                match self {
                    $( Self::$misreport_rule => Rule::$misreport_rule, )+
                }
            }

            /// The status it comes with.
            pub const fn status(self) -> u16 {
                match self {
                    $( Self::$misreport_rule => $status, )+
                }
            }

            /// The whole body, or the whole `error.message`.
            pub const fn text(self) -> &'static str {
                match self {
                    $( Self::$misreport_rule => $text, )+
                }
            }
        }

        #[deny(unreachable_patterns)]
        #[inline(always)]
        fn decide(cell: &Cell) -> (Rule, Action) {
            match cell.columns() {
                $( $( $pattern => (Rule::$rule, Action::$action), )+ )+
                $( $misreport_pattern => ($misreport.rule(), Action::$misreport_action), )+
            }
        }

        #[deny(unreachable_patterns)]
        fn decide_admission(admission: &Admission) -> (Rule, Action) {
            match admission.columns() {
                $( $(
                    $admission_pattern => (Rule::$admission_rule, Action::$admission_action),
                )+ )+
            }
        }
    };
}
